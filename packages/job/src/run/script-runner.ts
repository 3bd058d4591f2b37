import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { EnvironmentError, type EnvironmentErrorCode, type JobEnvironment, type JobPlace } from '../job-environment.ts'
import type { JobError } from '../job-error.ts'
import { asJobError } from './as-job-error.ts'
import type { ScriptCheckpoint } from './job-checkpoint.ts'
import type { JobLog } from './job-log.ts'
import { MachineTime } from './machine-time.ts'
import { pastError, plainFailure, type RunRecord } from './run-record.ts'
import { ScriptProgress, type ScriptProgressOptions } from './script-progress.ts'

/**
 * How long the stop of a job that goes on is held back at most: until its log is again what the coordinator has of it.
 */
const replayLimitMs = 10_000

export interface ScriptRunnerOptions {
  readonly log: JobLog
  readonly record: RunRecord
  readonly clock: Clock
  readonly executor: string
  readonly createNonce?: (() => string) | undefined
}

export interface ScriptResult {
  readonly failure: JobError | undefined
  /** Whether the script came to its own end, and so to its clean-up where it has one. */
  readonly isComplete: boolean
  /** Whether it kept what steps left in `GITLAB_ENV` when it cleaned up. */
  readonly hasJobEnv: boolean
}

/** How one script is followed, and where it runs: see `ScriptRun.place`. */
export interface ScriptFollow extends Omit<ScriptProgressOptions, 'nonce' | 'log' | 'executor' | 'machine' | 'timeOf'> {
  readonly place?: JobPlace | undefined
}

/** Runs a job's generated scripts, those that an earlier manager left included. */
export class ScriptRunner {
  readonly #options: ScriptRunnerOptions
  #machineTime = new MachineTime()

  constructor(options: ScriptRunnerOptions) {
    this.#options = options
  }

  /** The next script runs on another machine. */
  move(): void {
    this.#machineTime = new MachineTime()
  }

  /** Runs one script, and makes sure that nothing it started lives on. */
  async run(
    environment: JobEnvironment,
    signal: AbortSignal,
    generate: (nonce: string) => Buffer,
    { place, ...follow }: ScriptFollow,
  ): Promise<ScriptResult> {
    const { createNonce = randomNonce, log, record, clock, executor } = this.#options
    const past = record.pastScript
    const nonce = past?.nonce ?? createNonce()
    const startedAt = past?.startedAt ?? clock.wallTime()
    /** How long the machine had been up when the script of an earlier manager was found there, and when that was. */
    let found: { readonly uptime: string; readonly at: number } | undefined
    const timeOf = (uptime: string | undefined): number | undefined => {
      const time = this.#machineTime.wallTime(uptime, startedAt)
      if (time === undefined || found === undefined) return time
      // Its first word is known now, so the time between is.
      const foundTime = this.#machineTime.wallTime(found.uptime, startedAt)
      if (foundTime !== undefined) record.elapsed.learn(record.elapsedMsAt(foundTime), found.at)
      found = undefined
      return time
    }
    const onFound = (uptime: string): void => {
      found = { uptime, at: clock.now() }
    }
    const progress = new ScriptProgress({ ...follow, nonce, log, executor, machine: environment, timeOf })
    record.begin({
      nonce,
      startedAt,
      ...(past === undefined ? { elapsedMs: Math.round(record.elapsed.ms) } : pastElapsed(past)),
    })
    let failure: JobError | undefined
    let readBytes = 0
    await record.settle()
    if (past !== undefined && past.end === undefined) await record.keep(environment)
    try {
      // What is not known to another manager would be begun anew by it.
      if (past === undefined) await record.announce(environment, signal)
      const end = await environment.run({
        ...(place !== undefined && environment.helper !== undefined && { place }),
        script: generate(nonce),
        nonce,
        ...(past !== undefined && {
          resumed: {
            onFound,
            mayStart: () => !signal.aborted,
            ...(past.end !== undefined && { untilBytes: past.end.readBytes }),
          },
        }),
        signal: past === undefined ? signal : past.end === undefined ? this.#onceReplayed(signal) : never,
        isComplete: () => progress.isComplete,
        stdout: (chunk) => {
          readBytes += chunk.length
          return progress.push(chunk)
        },
        // Only what is said before the script has begun: it sends both where its output goes, so that the order is what
        // a terminal shows.
        stderr: (chunk) => log.aside(chunk),
      })
      // What it came to while it was being stopped says nothing.
      failure = signal.aborted ? asJobError(signal.reason) : progress.failure(end)
    } catch (error) {
      failure = asJobError(error)
    }
    await progress.end()
    const cause = failure?.cause
    if (cause instanceof EnvironmentError && unfit.includes(cause.code)) environment.condemn?.(cause.message)
    if (progress.isUnkept)
      environment.condemn?.('a job changed start-up files of its login, and they could not be restored')
    if (past?.end !== undefined) {
      failure = past.end.failure && pastError(past.end.failure)
    } else {
      const hasEnvironment = failure?.code !== 'environment_lost'
      // An environment that stopped a script has ended its processes already.
      if (hasEnvironment && !signal.aborted && !progress.isSwept) await this.#killAll(environment)
    }
    const isComplete = past?.end?.isCleaned ?? progress.isComplete
    record.end(
      past?.end ?? {
        readBytes,
        isCleaned: isComplete,
        ...(failure !== undefined && { failure: plainFailure(failure) }),
      },
    )
    await record.settle()
    // One that came to its own end comes to the same when it is followed again; why one was stopped is known only here.
    if (past?.end === undefined && failure !== undefined) await record.keep(environment)
    return { failure, isComplete, hasJobEnv: progress.hasJobEnv }
  }

  /** Aborts with `signal`, but not before the log is again what it was. */
  #onceReplayed(signal: AbortSignal): AbortSignal {
    const held = new AbortController()
    const stop = (): void => held.abort(signal.reason)
    const hold = (): void => {
      const cancelLimit = this.#options.clock.after(replayLimitMs, stop)
      this.#options.log.whenReplayed(() => {
        cancelLimit()
        stop()
      })
    }
    if (signal.aborted) hold()
    else signal.addEventListener('abort', hold, { once: true })
    return held.signal
  }

  /**
   * What the job came to does not change when something that it left cannot be ended; whether the machine may serve
   * another job is the environment's to decide.
   */
  async #killAll(environment: JobEnvironment): Promise<void> {
    try {
      await environment.killAll()
    } catch (error) {
      this.#options.log.warning(`processes of the job may be left on the instance: ${asJobError(error).message}`)
    }
  }
}

/** What would meet the next job there too. */
const unfit: readonly EnvironmentErrorCode[] = ['unwritable', 'occupied']

function pastElapsed({ elapsedMs }: ScriptCheckpoint): Pick<ScriptCheckpoint, 'elapsedMs'> {
  return elapsedMs === undefined ? {} : { elapsedMs }
}

const never = new AbortController().signal

function randomNonce(): string {
  return randomBytes(16).toString('hex')
}
