import { type Clock, type Connection, deadline } from '@runner-core/fleeting'
import { EnvironmentError } from '@runner-core/job'
import type { Acquisition } from '@runner-core/taskscaler'
import { connectAgain } from '../connect/connect-again.ts'
import type { ConcurrentIds } from '../slots/concurrent-ids.ts'

export interface LeftPlacesOptions {
  readonly concurrentIds: ConcurrentIds
  readonly clock: Clock
}

export interface ResumeOptions<Place> {
  /** Number of the job's build directory. */
  readonly concurrentId: number
  /** How long the instance may be out of reach, milliseconds. */
  readonly reconnectGraceMs: number
  readonly place: (connection: Connection) => Place | Promise<Place>
}

/** Places of jobs that an earlier manager left. */
export class LeftPlaces {
  readonly #options: LeftPlacesOptions
  /** Numbers of build directories whose jobs are not resumed yet. */
  readonly #held = new Set<number>()

  constructor(options: LeftPlacesOptions) {
    this.#options = options
  }

  /** Keeps the number of a job's build directory from other jobs until {@link resume}. */
  hold(concurrentId: number): void {
    if (this.#options.concurrentIds.claim(concurrentId)) this.#held.add(concurrentId)
  }

  /**
   * Connects to the instance of a job and makes the job's place there. Rejects with {@link EnvironmentError} as
   * {@link giveUp} does, whatever fails.
   */
  async resume<Place>(
    acquisition: Acquisition,
    { concurrentId, reconnectGraceMs, place }: ResumeOptions<Place>,
  ): Promise<Place> {
    const { concurrentIds, clock } = this.#options
    if (!this.#held.delete(concurrentId) && !concurrentIds.claim(concurrentId))
      return await this.giveUp(acquisition, 'another job uses its build directory')
    const unreachable = (): Error => new Error(`it could not be reached within ${reconnectGraceMs / 1000} s`)
    try {
      using limit = deadline(clock, reconnectGraceMs, unreachable)
      return await place(await connectAgain(acquisition, clock, limit.signal))
    } catch (error) {
      return await this.giveUp(acquisition, error instanceof Error ? error.message : String(error), error)
    }
  }

  /**
   * Condemns the instance of a job that cannot be resumed, and rejects with {@link EnvironmentError}. The job may run
   * on, in its build directory: no other job gets the number.
   */
  async giveUp(acquisition: Acquisition, why: string, cause?: unknown): Promise<never> {
    acquisition.condemn(`a job left on it could not be resumed: ${why}`)
    await acquisition[Symbol.asyncDispose]()
    throw new EnvironmentError('failed', `the job cannot continue on instance ${acquisition.instanceId}: ${why}`, {
      cause,
    })
  }
}
