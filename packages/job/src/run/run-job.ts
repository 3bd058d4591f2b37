import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { formatGoDuration } from '../go-duration.ts'
import { EnvironmentError, type JobEnvironment } from '../job-environment.ts'
import { JobError } from '../job-error.ts'
import type { JobOutcome } from '../job-outcome.ts'
import type { JobPayload } from '../job-payload.ts'
import type { RunnerIdentity } from '../runner-identity.ts'
import type { EnvironmentVariable, JobStatus } from '../variables/job-variables.ts'
import type { JobCheckpoint, ScriptCheckpoint } from './job-checkpoint.ts'
import { checkDemands } from './job-demands.ts'
import { JobLog, type JobTrace } from './job-log.ts'
import { JobPlan } from './job-plan.ts'
import type { JobStage } from './job-stage.ts'
import { MachineTime } from './machine-time.ts'
import { ScriptProgress, type ScriptProgressOptions } from './script-progress.ts'
import { stageTitle } from './stage-title.ts'
import { StopSource } from './stop-source.ts'

/** Places that a job may have: one that is lost before any of its scripts has begun is replaced. */
const placesLimit = 3
/** How long the clean-up of a job that was stopped may take. */
const cleanUpLimitMs = 10_000
/** How long the stop of a job that goes on is held back at most: until its log is again what the coordinator has of it. */
const replayLimitMs = 10_000

export interface RunJobOptions {
  readonly payload: JobPayload
  /**
   * Gets a place for the job. `report` adds a line to the trace: why there is none yet. `signal` aborts with a {@link JobError} when the job is canceled or its
   * time is over; reject with its reason then. Reject with a {@link JobError} to choose the outcome; anything else is a system failure. Called again when the place was lost before any of the job's
   * scripts has begun: three times at most. What was given before is not used any more then.
   */
  prepare(report: (line: string) => void, signal: AbortSignal): Promise<JobEnvironment>
  readonly trace: JobTrace
  readonly clock: Clock
  /** Aborted when the job is to stop and still may run its `after_script`. */
  readonly canceling: AbortSignal
  /** Aborted when the job is to stop now. A {@link JobError} as its reason chooses the outcome (`runner_interrupted`); anything else means `job_canceled`. */
  readonly abort: AbortSignal
  readonly runner: RunnerIdentity
  /** `environment` of the configuration. Default: none. */
  readonly environmentVariables?: readonly EnvironmentVariable[]
  /** PEM of the authorities that sign the coordinator's certificate, for git on the machine, which trusts no others for it then. Default: the machine's own. */
  readonly serverCertificates?: string | undefined
  /** Called when a stage begins, and with undefined when the stage under way ends and none follows at once. Must not throw. Default: nobody is told. */
  readonly onStage?: (stage: JobStage | undefined) => void
  /**
   * Goes on with a job that an earlier manager left: `prepare` then gives the environment that it ran in, also when its signal has aborted, so that what runs there is ended. Where nothing of it had begun, the job begins anew, anywhere, and
   * its log goes on. Default: the job begins.
   */
  readonly resume?: JobCheckpoint
  /**
   * Called while there is no place yet, whenever the trace has said something, then before a script is started and when one has failed. `take` gives what another manager would need at that
   * moment, now or later. The start of a script waits for a promise that comes back. Must not throw or reject.
   */
  readonly onCheckpoint?: (take: () => JobCheckpoint) => void | Promise<void>
  /** Makes an unguessable word of letters and digits, a new one each time. Default: 128 random bits. */
  readonly createNonce?: () => string
}

/**
 * Runs one job to its end and says in its trace how it went. Never rejects: whatever happens becomes an outcome. Giving the environment back, afterwards, is the
 * caller's business.
 */
export async function runJob(options: RunJobOptions): Promise<JobOutcome> {
  const { trace, clock, payload, onStage } = options
  const log = new JobLog({ trace, clock, sections: payload.features.trace_sections, onStage, record: options.resume })
  const failure = await new JobRun(options, log).run().catch(asJobError)
  log.endReplay()
  log.end()
  if (failure === undefined) log.success('Job succeeded')
  else
    log.error(
      failure.reason === 'runner_system_failure' ? `Job failed (system failure): ${failure.message}` : `Job failed: ${failure.message}`,
    )
  await log.flush()
  if (failure === undefined) return { state: 'success' }
  const { reason, code, message, exitCode } = failure
  return { state: 'failed', reason, code, message, ...(exitCode === undefined ? {} : { exitCode }) }
}

class JobRun {
  readonly #options: RunJobOptions
  readonly #environmentVariables: readonly EnvironmentVariable[]
  readonly #log: JobLog
  /** On the clock's `now()` scale. */
  readonly #startedAt: number
  /** Wall time. */
  readonly #begunAt: number
  readonly #scripts: ScriptCheckpoint[] = []
  #scriptBegunAt: number | undefined
  #machineTime = new MachineTime()
  /** Where what an earlier manager left had begun. */
  readonly #goesOn: boolean

  constructor(options: RunJobOptions, log: JobLog) {
    this.#options = options
    this.#environmentVariables = options.environmentVariables ?? []
    this.#log = log
    const { clock, resume } = options
    this.#begunAt = resume?.startedAt ?? clock.wallTime()
    this.#startedAt = clock.now() - this.#elapsedSince(this.#begunAt)
    this.#scriptBegunAt = resume?.scriptBegunAt
    this.#goesOn = resume !== undefined && resume.scripts.length > 0
  }

  /** Undefined when the job succeeded. Rejects with what ended it before its script began. */
  async run(): Promise<JobError | undefined> {
    const { payload, runner, canceling } = this.#options
    const stop = this.#stopSource()
    stop.when(canceling, () => new JobError('canceled', 'job_canceled', 'canceled'))
    try {
      this.#log.line(`Running with runner-core ${runner.version} (${runner.revision})`)
      this.#log.line(`  on ${runner.name} ${runner.shortToken}, system ID: ${runner.systemId}`)
      this.#log.begin('prepare_executor', stageTitle('prepare_executor', runner.executor))
      for (const warning of checkDemands(payload, this.#environmentVariables)) this.#log.warning(warning)
      if (!this.#goesOn) this.#begin()
      await this.#log.flush()
      for (let places = 1; ; places++) {
        // What was left is to be ended, which only its environment can do.
        if (!this.#goesOn) stop.signal.throwIfAborted()
        const environment = await this.#options.prepare((line) => this.#report(line), stop.signal)
        const failure = await this.#runIn(environment, stop)
        if (this.#goesOn || places === placesLimit || stop.signal.aborted || !isUntouched(failure)) return failure
        this.#log.begin('prepare_executor', stageTitle('prepare_executor', runner.executor))
        this.#scripts.length = 0
        this.#machineTime = new MachineTime()
        this.#report(`${failure.message}. Nothing of the job has begun: taking another place.`)
      }
    } finally {
      stop.dispose()
    }
  }

  #begin(): void {
    if (this.#options.resume !== undefined) {
      this.#log.endReplay()
      this.#log.line('The runner was started again. Nothing of the job had begun.')
    }
    this.#keepWhatIsSaid()
  }

  async #runIn(environment: JobEnvironment, stop: StopSource): Promise<JobError | undefined> {
    const { payload, runner } = this.#options
    this.#log.line(`Using ${environment.description}`)
    const plan = new JobPlan({
      payload,
      environmentVariables: this.#environmentVariables,
      serverCertificates: this.#options.serverCertificates,
      runner,
      environment,
    })
    for (const warning of plan.warnings) this.#log.warning(warning)
    this.#log.begin('prepare_script', stageTitle('prepare_script', runner.executor))

    let hasScriptBegun = false
    const main = await this.#runScript(environment, stop.signal, (nonce) => plan.script(nonce), {
      openStage: 'prepare_script',
      notes: plan.notes,
      onHost: (name, directory) => {
        for (const secret of plan.maskedValues(directory)) this.#options.trace.addSecret?.(secret)
        this.#log.line(`Running on ${name} via ${runner.hostname}...`)
      },
      onStage: (stage, at) => {
        if (hasScriptBegun || stage === 'get_sources') return
        hasScriptBegun = true
        const { scriptTimeoutMs } = plan
        this.#scriptBegunAt ??= at ?? this.#options.clock.wallTime()
        if (scriptTimeoutMs === undefined) return
        stop.after(this.#options.clock, scriptTimeoutMs - this.#elapsedSince(this.#scriptBegunAt), () =>
          this.#tookTooLong('script_timeout', `${formatGoDuration(scriptTimeoutMs)} (RUNNER_SCRIPT_TIMEOUT)`),
        )
      },
    })

    let { failure, isCleaned } = main
    const mayGoOn =
      failure === undefined ||
      ['script_failed', 'script_timeout'].includes(failure.code) ||
      (failure.code === 'canceled' && !this.#options.abort.aborted)
    if (plan.hasAfterScript && hasScriptBegun && mayGoOn) {
      const after = await this.#runAfterScript(environment, plan, statusOf(failure))
      failure ??= after.failure
      isCleaned = after.isCleaned
    }
    if (plan.hasFiles && !isCleaned && failure?.code !== 'environment_lost') await this.#cleanUp(environment, plan)
    return failure
  }

  async #runAfterScript(environment: JobEnvironment, plan: JobPlan, status: JobStatus): Promise<ScriptResult> {
    const stop = this.#stopSource()
    const { afterScriptTimeoutMs: timeoutMs } = plan
    if (timeoutMs !== undefined) {
      const begunAt = this.#options.resume?.scripts[this.#scripts.length]?.startedAt ?? this.#options.clock.wallTime()
      stop.after(this.#options.clock, timeoutMs - this.#elapsedSince(begunAt), () =>
        this.#tookTooLong('script_timeout', `${formatGoDuration(timeoutMs)} (RUNNER_AFTER_SCRIPT_TIMEOUT)`),
      )
    }
    try {
      const { failure, isCleaned } = await this.#runScript(environment, stop.signal, (nonce) => plan.afterScript(nonce, status), {})
      if (failure === undefined || this.#options.abort.aborted || !plan.afterScriptIgnoresErrors) return { failure, isCleaned }
      this.#log.warning(`after_script failed, but job will continue unaffected: ${failure.message}`)
      return { failure: undefined, isCleaned }
    } finally {
      stop.dispose()
    }
  }

  /** Removes what a stopped job left in files. It may fail: then the trace says so, and the outcome stays what it is. */
  async #cleanUp(environment: JobEnvironment, plan: JobPlan): Promise<void> {
    const stop = new StopSource()
    stop.after(this.#options.clock, cleanUpLimitMs, () => this.#tookTooLong('timeout', formatGoDuration(cleanUpLimitMs)))
    this.#log.begin('cleanup_file_variables', stageTitle('cleanup_file_variables', this.#options.runner.executor))
    const { isCleaned, failure } = await this.#runScript(environment, stop.signal, (nonce) => plan.cleanUp(nonce), {
      openStage: 'cleanup_file_variables',
    })
    if (!isCleaned) this.#log.warning(`files of the job may be left on the machine: ${failure?.message ?? 'the clean-up did not finish'}`)
    stop.dispose()
  }

  /** Runs one generated script, and makes sure that nothing it started lives on. */
  async #runScript(
    environment: JobEnvironment,
    signal: AbortSignal,
    generate: (nonce: string) => Buffer,
    follow: Omit<ScriptProgressOptions, 'nonce' | 'log' | 'executor' | 'timeOf'>,
  ): Promise<ScriptResult> {
    const { createNonce = randomNonce, resume, clock, runner } = this.#options
    const past = resume?.scripts[this.#scripts.length]
    const nonce = past?.nonce ?? createNonce()
    const startedAt = past?.startedAt ?? clock.wallTime()
    const timeOf = (uptime: string | undefined): number | undefined => this.#machineTime.wallTime(uptime, startedAt)
    const progress = new ScriptProgress({ ...follow, nonce, log: this.#log, executor: runner.executor, timeOf })
    const script: ScriptCheckpoint = { nonce, startedAt }
    this.#scripts.push(script)
    let failure: JobError | undefined
    let readBytes = 0
    await this.#settle()
    if (past?.end === undefined) await this.#checkpoint(environment)
    try {
      const end = await environment.run({
        script: generate(nonce),
        nonce,
        ...(past !== undefined && { resumed: past.end === undefined ? {} : { untilBytes: past.end.readBytes } }),
        signal: past === undefined ? signal : past.end === undefined ? this.#onceReplayed(signal) : never,
        isComplete: () => progress.isComplete,
        stdout: (chunk) => {
          readBytes += chunk.length
          return progress.push(chunk)
        },
        // Only what is said before the script has begun: it sends both where its output goes, so that the order is what a terminal shows.
        stderr: (chunk) => this.#log.aside(chunk),
      })
      // What it came to while it was being stopped says nothing.
      failure = signal.aborted ? asJobError(signal.reason) : progress.failure(end)
    } catch (error) {
      failure = asJobError(error)
    }
    await progress.end()
    if (past?.end !== undefined) {
      failure = past.end.failure && pastError(past.end.failure)
    } else {
      const hasEnvironment = failure?.code !== 'environment_lost'
      // An environment that stopped a script has ended its processes already.
      if (hasEnvironment && !signal.aborted && !progress.isSwept) await this.#killAll(environment)
    }
    const isCleaned = past?.end?.isCleaned ?? progress.isComplete
    this.#scripts[this.#scripts.length - 1] = {
      ...script,
      end: past?.end ?? { readBytes, isCleaned, ...(failure !== undefined && { failure: plain(failure) }) },
    }
    await this.#settle()
    // One that came to its own end comes to the same when it is followed again; why one was stopped is known only here.
    if (past?.end === undefined && failure !== undefined) await this.#checkpoint(environment)
    return { failure, isCleaned }
  }

  /** Aborts with `signal`, but not before the log is again what it was. */
  #onceReplayed(signal: AbortSignal): AbortSignal {
    const held = new AbortController()
    const stop = (): void => held.abort(signal.reason)
    const hold = (): void => {
      const cancelLimit = this.#options.clock.after(replayLimitMs, stop)
      this.#log.whenReplayed(() => {
        cancelLimit()
        stop()
      })
    }
    if (signal.aborted) hold()
    else signal.addEventListener('abort', hold, { once: true })
    return held.signal
  }

  /** All is said about what was up to now. */
  async #settle(): Promise<void> {
    await this.#log.flush()
    this.#log.advance(1)
    this.#log.commit()
  }

  #checkpoint(environment?: JobEnvironment): void | Promise<void> {
    const handle = environment?.handle ?? null
    return this.#options.onCheckpoint?.(() => ({
      ...this.#log.record,
      startedAt: this.#begunAt,
      ...(this.#scriptBegunAt !== undefined && { scriptBegunAt: this.#scriptBegunAt }),
      environment: handle,
      scripts: [...this.#scripts],
    }))
  }

  #elapsedSince(wallTime: number): number {
    return this.#options.clock.wallTime() - wallTime
  }

  /** What the job came to does not change when something that it left cannot be ended; whether the machine may serve another job is the environment's to decide. */
  async #killAll(environment: JobEnvironment): Promise<void> {
    try {
      await environment.killAll()
    } catch (error) {
      this.#log.warning(`processes of the job may be left on the machine: ${asJobError(error).message}`)
    }
  }

  /** What stops every part of a job: its time limit, and being aborted. */
  #stopSource(): StopSource {
    const { payload, clock, abort } = this.#options
    const stop = new StopSource()
    stop.when(abort, (reason) => (reason instanceof JobError ? reason : new JobError('canceled', 'job_canceled', 'canceled')))
    const timeoutMs = payload.timeout_seconds * 1000
    stop.after(clock, this.#startedAt + timeoutMs - clock.now(), () =>
      this.#tookTooLong('timeout', `${formatGoDuration(timeoutMs)} seconds`),
    )
    return stop
  }

  #tookTooLong(code: 'timeout' | 'script_timeout', limit: string): JobError {
    return new JobError(code, 'job_execution_timeout', `execution took longer than ${limit}`)
  }

  #report(line: string): void {
    this.#log.line(line)
    if (this.#goesOn) void this.#log.flush()
    else this.#keepWhatIsSaid()
  }

  /** Before anything has begun: whoever begins anew goes on with this log. */
  #keepWhatIsSaid(): void {
    void this.#log.flush()
    this.#log.restart()
    void this.#checkpoint()
  }
}

interface ScriptResult {
  readonly failure: JobError | undefined
  /** Whether the script came to its own clean-up. */
  readonly isCleaned: boolean
}

const never = new AbortController().signal

function plain({ code, reason, message, exitCode }: JobError): NonNullable<NonNullable<ScriptCheckpoint['end']>['failure']> {
  return { code, reason, message, ...(exitCode !== undefined && { exitCode }) }
}

function pastError({ code, reason, message, exitCode }: ReturnType<typeof plain>): JobError {
  return new JobError(code, reason, message, exitCode === undefined ? {} : { exitCode })
}

function statusOf(failure: JobError | undefined): JobStatus {
  if (failure === undefined) return 'success'
  return failure.code === 'canceled' ? 'canceled' : failure.code === 'script_timeout' ? 'timedout' : 'failed'
}

function asJobError(error: unknown): JobError {
  if (error instanceof JobError) return error
  if (error instanceof EnvironmentError) {
    const reason = error.isInterruption ? 'runner_interrupted' : 'runner_system_failure'
    return new JobError(error.code === 'lost' ? 'environment_lost' : 'environment_failed', reason, error.message, { cause: error })
  }
  return new JobError('internal', 'runner_system_failure', error instanceof Error ? error.message : String(error), { cause: error })
}

function isUntouched(failure: JobError | undefined): failure is JobError {
  return failure?.cause instanceof EnvironmentError && failure.cause.isUntouched
}

function randomNonce(): string {
  return randomBytes(16).toString('hex')
}
