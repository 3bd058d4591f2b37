import type { JobEnvironment } from '@runner-core/job'
import type { Acquisition } from '@runner-core/taskscaler'
import type { PreparedPlace } from '../job-executor.ts'
import type { ConcurrentIds } from '../slots/concurrent-ids.ts'
import type { Sweeps } from './sweeps.ts'

/** An environment whose job may leave something running. */
export interface SweptEnvironment extends JobEnvironment {
  /** Whether something of the job may still run. */
  readonly isUnclean: boolean
  /** One more attempt to end what is left. Resolves to whether nothing is. Must not reject. */
  sweep(): Promise<boolean>
}

export interface LentPlaceOptions {
  readonly acquisition: Acquisition
  readonly environment: SweptEnvironment
  /** Where the environment's number was taken from. */
  readonly concurrentIds: ConcurrentIds
  /** Gets what goes on after `release`. */
  readonly sweeps: Sweeps
  /**
   * Called once, before another job can have the slot; the slot does not wait for what it returns, which must not
   * reject.
   */
  readonly leave: () => Promise<void>
  /** See `PreparedPlace.wipe`; called when nothing is being swept. */
  readonly wipe: () => void
}

/** A place on a slot that was acquired, and how it ends. */
export class LentPlace implements PreparedPlace {
  readonly instanceId: string
  readonly acquisitionKey: string
  readonly ending: AbortSignal
  readonly environment: JobEnvironment
  readonly #options: LentPlaceOptions
  #isReleased = false
  #sweeping: Promise<void> | undefined

  constructor(options: LentPlaceOptions) {
    const { acquisition, environment } = options
    this.#options = options
    this.instanceId = acquisition.instanceId
    this.acquisitionKey = acquisition.key
    this.ending = acquisition.ending
    this.environment = environment
  }

  async release(): Promise<void> {
    if (this.#isReleased) return
    this.#isReleased = true
    const { environment, sweeps } = this.#options
    if (!environment.isUnclean) return await this.#giveBack(true)
    this.#sweeping = environment.sweep().then((isClean) => this.#giveBack(isClean))
    sweeps.add(this.#sweeping)
  }

  wipe(): void {
    const { wipe } = this.#options
    if (this.#sweeping === undefined) wipe()
    else void this.#sweeping.finally(wipe)
  }

  /**
   * What is left may go on in the build directory, which other instances may share: then nobody gets its number again.
   */
  async #giveBack(isClean: boolean): Promise<void> {
    const { acquisition, environment, concurrentIds, sweeps, leave } = this.#options
    const left = leave()
    if (isClean) concurrentIds.giveBack(environment.concurrentId)
    sweeps.add(left)
    await acquisition[Symbol.asyncDispose]()
  }
}
