import { existsSync } from 'node:fs'
import type { Clock, Logger } from '@runner-core/fleeting'
import { type OutputSink, runForeignScript } from '@runner-core/job'
import type { PreparedPlace } from '@runner-core/runner-executor'
import { NoCapacityError, type Reservation } from '@runner-core/taskscaler'
import { version } from '../version.ts'
import { isAlive, markProcess, type ProcessMark } from './process-mark.ts'
import type { ShimFleet } from './shim-fleet.ts'

export interface ShimJobOptions {
  readonly fleet: ShimFleet
  /** What tells this try of the job from all others. */
  readonly temporaryDirectory: string
  /** Where the daemon is found. */
  readonly directory: string
  readonly clock: Clock
  readonly logger: Logger
}

/** Thrown where a call cannot do what it is for, by no fault of the job. */
export class ShimError extends Error {
  override readonly name = 'ShimError'
  readonly code = 'custom_executor'
}

/** One try of a job that a GitLab Runner has taken, from its first call to its clean-up. */
export class ShimJob {
  readonly #options: ShimJobOptions
  readonly #number: number
  readonly #end = new AbortController()
  readonly #calls = new Set<Promise<unknown>>()
  #owner: ProcessMark | undefined
  #leftAt: number | undefined
  #reservation: Reservation | undefined
  #prepared: PreparedPlace | undefined
  #hasRun = false
  #ending: Promise<void> | undefined

  constructor(options: ShimJobOptions) {
    this.#options = options
    this.#number = options.fleet.buildNumbers.take()
  }

  /** The process whose job it is made a call. */
  heardOf(owner: number): void {
    this.#owner = markProcess(owner)
    this.#leftAt = undefined
  }

  /**
   * Since when nobody has been there who could end the job: its GitLab Runner has ended, or has removed the job's
   * directory. Milliseconds; undefined: somebody is.
   */
  get leftAt(): number | undefined {
    const { temporaryDirectory, clock } = this.#options
    const isOwned = this.#owner !== undefined && isAlive(this.#owner) && existsSync(temporaryDirectory)
    this.#leftAt = isOwned ? undefined : (this.#leftAt ?? clock.now())
    return this.#leftAt
  }

  /** What `config_exec` says, and the demand for a machine with it. */
  config(): object {
    const { fleet, directory } = this.#options
    const { settings } = fleet
    try {
      this.#reservation ??= this.#prepared === undefined ? fleet.scaler.reserve() : undefined
    } catch (error) {
      // The job is there already: `prepare` waits, and says for what.
      if (!(error instanceof NoCapacityError)) throw error
    }
    return {
      driver: { name: `runner-core ${settings.autoscaler.plugin}`, version },
      builds_dir: `${settings.buildsDir}/${this.#number}`,
      builds_dir_is_shared: false,
      cache_dir: settings.cacheDir,
      shell: settings.shell,
      // Later calls need not be told again.
      job_env: { RUNNER_CORE_CUSTOM_EXECUTOR: directory },
    }
  }

  /** Gets the job its place. Rejects as `JobExecutor.prepare` does. */
  prepare(report: (line: string) => void, signal: AbortSignal): Promise<void> {
    return this.#call(async (stop) => {
      if (this.#prepared === undefined) {
        const reservation = this.#reservation
        this.#reservation = undefined
        this.#prepared = await this.#options.fleet.executor.prepare(reservation, { report, signal: stop })
      }
      report(`Running on ${this.#prepared.environment.description}.`)
      stop.throwIfAborted()
    }, signal)
  }

  /**
   * Runs the script of a stage in the job's place and answers its exit status. Rejects with `EnvironmentError`,
   * {@link ShimError} and the signal's reason; then nothing of it runs any more.
   */
  run(script: string, output: OutputSink, signal: AbortSignal): Promise<number> {
    return this.#call(async (stop) => {
      const prepared = this.#prepared
      if (prepared === undefined)
        throw new ShimError('the job has no instance: prepare_exec was not called, or did not succeed')
      this.#hasRun = true
      return await runForeignScript(prepared.environment, {
        script,
        output,
        signal: AbortSignal.any([stop, prepared.ending]),
      })
    }, signal)
  }

  /** Ends what is under way, and every process of the job, and gives its place back. Idempotent; never rejects. */
  end(why: string): Promise<void> {
    this.#ending ??= this.#giveBack(why)
    return this.#ending
  }

  async #giveBack(why: string): Promise<void> {
    const { fleet, logger } = this.#options
    this.#end.abort(new ShimError(why))
    await Promise.allSettled(this.#calls)
    this.#reservation?.[Symbol.dispose]()
    const prepared = this.#prepared
    const isClean = prepared === undefined || !this.#hasRun || (await this.#killAll(prepared))
    await prepared?.release()
    prepared?.wipe()
    // What lives on may go on in the build directory: nobody gets its number again.
    if (isClean) fleet.buildNumbers.giveBack(this.#number)
    logger.info({ why, instance: prepared?.instanceId, is_clean: isClean }, 'job ended')
  }

  async #killAll({ environment }: PreparedPlace): Promise<boolean> {
    try {
      await environment.killAll()
      return true
    } catch (error) {
      this.#options.logger.warn(
        { err: error },
        'processes of a job may be left on its instance, which gets no more jobs',
      )
      return false
    }
  }

  /** One after the other: ending what a call that was killed left running ends all that the job runs. */
  #call<T>(act: (stop: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const stop = AbortSignal.any([this.#end.signal, signal])
    const call = Promise.allSettled(this.#calls).then(() => {
      stop.throwIfAborted()
      return act(stop)
    })
    this.#calls.add(call)
    const over = (): void => void this.#calls.delete(call)
    call.then(over, over)
    return call
  }
}
