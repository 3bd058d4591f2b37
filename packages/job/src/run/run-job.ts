import type { ArtifactDestination } from '../artifacts/artifact-destination.ts'
import type { ArtifactSource } from '../artifacts/artifact-source.ts'
import type { ClonePaths } from '../build-paths.ts'
import type { CachePlace } from '../caches/cache-context.ts'
import type { Clock } from '../clock.ts'
import { formatGoDuration } from '../go-duration.ts'
import { JobBudget } from '../job-budget.ts'
import { EnvironmentError, type JobEnvironment, type JobPlace } from '../job-environment.ts'
import { JobError, type JobErrorCode } from '../job-error.ts'
import type { JobOutcome } from '../job-outcome.ts'
import type { JobPayload } from '../job-payload.ts'
import type { JobStage } from '../job-stage.ts'
import { JobPlan } from '../plan/job-plan.ts'
import type { RunnerIdentity } from '../runner-identity.ts'
import type { RunnerScripts } from '../runner-scripts.ts'
import { attempts } from '../variables/attempts.ts'
import { earlySetting } from '../variables/early-setting.ts'
import type { ClientCertificate, EnvironmentVariable, JobStatus } from '../variables/job-variables.ts'
import { asJobError } from './as-job-error.ts'
import { FileStageRunner } from './file-stage-runner.ts'
import type { JobCheckpoint, OnCheckpoint } from './job-checkpoint.ts'
import { checkDemands } from './job-demands.ts'
import { bringFiles, type JobFilesOptions, keepFiles } from './job-files.ts'
import { JobLog, type JobTrace } from './job-log.ts'
import { RunRecord } from './run-record.ts'
import { type ScriptFollow, type ScriptResult, ScriptRunner } from './script-runner.ts'
import { stageTitle } from './stage-title.ts'
import { StopSource } from './stop-source.ts'

/** Places that a job may have: one that is lost before any of its scripts has begun is replaced. */
const placesLimit = 3
/** How often a job that asks for it is begun where its machine goes under it. */
const sectionAttemptsKey = 'EXECUTOR_JOB_SECTION_ATTEMPTS'
/** How long the clean-up of a job that was stopped may take. */
const cleanUpLimitMs = 10_000

/** What is said in a job's trace about its place, while it is made ready and later. */
export interface PrepareLog {
  line(text: string): void
  warning(text: string): void
  /** A line that what is said next is written over: how far something has come. Once a second at most. */
  progress(text: string): void
  /** Masked from here on. */
  addSecret(secret: string): void
}

export interface RunJobOptions {
  readonly payload: JobPayload
  /**
   * Gets a place for the job. `report` adds a line to the trace: why there is none yet; `log` says the rest. `signal`
   * aborts with a {@link JobError} when the job is canceled or its time is over; reject with its reason then. Reject
   * with a {@link JobError} to choose the outcome; anything else is a system failure. Called again when the place was
   * lost before any of the job's scripts has begun, three times at most, and where the job asks for it
   * (`EXECUTOR_JOB_SECTION_ATTEMPTS`) when its machine went under them. What was given before is not used any more
   * then.
   */
  prepare(report: (line: string) => void, signal: AbortSignal, log: PrepareLog): Promise<JobEnvironment>
  readonly trace: JobTrace
  readonly clock: Clock
  /** Aborted when the job is to stop and still may run its `after_script`. */
  readonly canceling: AbortSignal
  /**
   * Aborted when the job is to stop now. A {@link JobError} as its reason chooses the outcome (`runner_interrupted`);
   * anything else means `job_canceled`.
   */
  readonly abort: AbortSignal
  readonly runner: RunnerIdentity
  /** What the environments of `prepare` can do of `JobPayload.unsupported`. Default: nothing. */
  readonly supports?: readonly string[] | undefined
  /** `environment` of the configuration. Default: none. */
  readonly environmentVariables?: readonly EnvironmentVariable[]
  /** `pre_build_script` and the like of the configuration. Default: none. */
  readonly runnerScripts?: RunnerScripts
  /** `clone_url` of the configuration: see `JobPlanOptions`. */
  readonly cloneUrl?: string | undefined
  /** `custom_build_dir` of the configuration. Default `own`. */
  readonly clonePaths?: ClonePaths | undefined
  /**
   * How long it may take until the job's sources are fetched: from its beginning, or from when it began once more
   * elsewhere. Default: no limit but the job's own.
   */
  readonly prepareTimeoutMs?: number | undefined
  /** How long fetching the sources may take, all attempts together. Default: no limit but the job's own. */
  readonly getSourcesTimeoutMs?: number | undefined
  /** Whether a job may have its commands shown as the shell runs them (`CI_DEBUG_TRACE`). Default true. */
  readonly allowsDebugTrace?: boolean
  /**
   * PEM of the authorities that sign the coordinator's certificate, for git on the machine, which trusts no others for
   * it then. Default: the machine's own.
   */
  readonly serverCertificates?: string | undefined
  /** What shows the coordinator who the manager is, for git and programs of the job. Default: nothing. */
  readonly clientCertificate?: ClientCertificate | undefined
  /** Where its caches are kept. Default: each machine keeps them, in `cache` in the login's home. */
  readonly caches?: CachePlace
  /**
   * Where artifacts of earlier jobs are got, and the job's own are kept. Default: nowhere: a job that needs it fails.
   */
  readonly artifacts?: ArtifactSource & ArtifactDestination
  /**
   * Called when a stage begins, and with undefined when the stage under way ends and none follows at once. Must not
   * throw. Default: nobody is told.
   */
  readonly onStage?: (stage: JobStage | undefined) => void
  /**
   * Goes on with a job that an earlier manager left: `prepare` then gives the environment that it ran in, also when its
   * signal has aborted, so that what runs there is ended. Where nothing of it had begun, the job begins anew, anywhere,
   * and its log goes on. Default: the job begins.
   */
  readonly resume?: JobCheckpoint
  /**
   * Called while there is no place yet, whenever the trace has said something, then before a script is started and when
   * one has failed. `take` gives what another manager would need at that moment, now or later. Before a script is
   * started, `start` is given, and the script waits for the promise that comes back: it is not started where that
   * rejects, which it may only with the reason of `start.signal`. Must not throw or reject otherwise.
   */
  readonly onCheckpoint?: OnCheckpoint
  /** Makes an unguessable word of letters and digits, a new one each time. Default: 128 random bits. */
  readonly createNonce?: () => string
}

/**
 * Runs one job to its end and says in its trace how it went. Never rejects: whatever happens becomes an outcome. Giving
 * the environment back, afterwards, is the caller's business.
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
      failure.reason === 'runner_system_failure'
        ? `Job failed (system failure): ${failure.message}`
        : `Job failed: ${failure.message}`,
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
  readonly #record: RunRecord
  readonly #scripts: ScriptRunner
  readonly #fileStages: FileStageRunner
  readonly #budget = new JobBudget()
  /** How long the job had taken when its preparation began. */
  #prepareBegunMs = 0
  /** Lifts the limit of the part of the job that is under way, if it has one. */
  #liftLimit: () => void = () => {}

  constructor(options: RunJobOptions, log: JobLog) {
    const { clock, resume, onCheckpoint, createNonce, runner } = options
    const { executor } = runner
    this.#options = options
    this.#environmentVariables = options.environmentVariables ?? []
    this.#log = log
    const record = new RunRecord({ log, clock, resume, onCheckpoint })
    this.#record = record
    this.#scripts = new ScriptRunner({ log, record, clock, executor, createNonce })
    this.#fileStages = new FileStageRunner({ log, record, executor, budget: this.#budget })
  }

  /** Undefined when the job succeeded. Rejects with what ended it before its script began. */
  async run(): Promise<JobError | undefined> {
    const { payload, runner, canceling, supports } = this.#options
    const { goesOn } = this.#record
    const sources = { payload, environmentVariables: this.#environmentVariables }
    const sections = attempts(sectionAttemptsKey, earlySetting(sources, sectionAttemptsKey))
    this.#log.line(`Running with runner-core ${runner.version} (${runner.revision})`)
    this.#log.line(`  on ${runner.name} ${runner.shortToken}, system ID: ${runner.systemId}`)
    this.#log.begin('prepare_executor', stageTitle('prepare_executor', runner.executor))
    for (const warning of [...checkDemands(payload, this.#environmentVariables, supports), ...sections.warnings])
      this.#log.warning(warning)
    if (!goesOn) this.#begin()
    await this.#log.flush()
    for (let [places, tries] = [1, 1]; ; ) {
      // Of this place only: a limit of the job's script counts from where that began.
      const stop = this.#stopSource()
      stop.when(canceling, () => new JobError('canceled', 'job_canceled', 'canceled'))
      if (!goesOn) this.#limitPreparation(stop)
      let failure: JobError | undefined
      try {
        // What was left is to be ended, which only its environment can do.
        if (!goesOn) stop.signal.throwIfAborted()
        const environment = await this.#options.prepare((line) => this.#report(line), stop.signal, this.#prepareLog)
        failure = await this.#runIn(environment, stop)
      } finally {
        stop.dispose()
      }
      if (failure === undefined || goesOn || stop.signal.aborted || !(failure.cause instanceof EnvironmentError))
        return failure
      const { isUntouched, isGone } = failure.cause
      let why: string
      if (isUntouched && places < placesLimit) {
        places++
        why = 'Nothing of the job has started: moving to another slot.'
      } else if (isGone && tries < sections.count) {
        tries++
        this.#prepareBegunMs = this.#record.elapsed.ms
        why = `Starting again on another slot, attempt ${tries} of ${sections.count} (${sectionAttemptsKey}).`
      } else return failure
      this.#log.begin('prepare_executor', stageTitle('prepare_executor', runner.executor))
      this.#record.forget()
      this.#scripts.move()
      this.#report(`${failure.message}. ${why}`)
    }
  }

  #begin(): void {
    if (this.#options.resume !== undefined) {
      this.#log.endReplay()
      this.#log.line('The runner was restarted. Nothing of the job had started.')
    }
    this.#keepWhatIsSaid()
  }

  async #runIn(environment: JobEnvironment, stop: StopSource): Promise<JobError | undefined> {
    const { payload, runner, abort, clock, caches = { directory: 'cache' }, artifacts } = this.#options
    this.#log.line(`Using ${environment.description}`)
    const plan = new JobPlan({
      payload,
      environmentVariables: this.#environmentVariables,
      serverCertificates: this.#options.serverCertificates,
      clientCertificate: this.#options.clientCertificate,
      allowsDebugTrace: this.#options.allowsDebugTrace,
      runnerScripts: this.#options.runnerScripts,
      cloneUrl: this.#options.cloneUrl,
      clonePaths: this.#options.clonePaths,
      runner,
      environment,
      budget: this.#budget,
    })
    const files: JobFilesOptions = { payload, plan, caches, artifacts, clock }
    for (const warning of plan.warnings) this.#log.warning(warning)
    this.#log.begin('prepare_script', stageTitle('prepare_script', runner.executor))

    let { failure, isClean, hasJobEnv, hasScriptBegun } = await this.#runMain(environment, plan, files, stop)
    const mayGoOn =
      failure === undefined ||
      endingsBeforeAfterScript.includes(failure.code) ||
      (failure.code === 'canceled' && hasScriptBegun && !abort.aborted)
    if (plan.hasAfterScript && hasScriptBegun && mayGoOn) {
      const after = await this.#runAfterScript(environment, plan, statusOf(failure))
      failure ??= after.failure
      isClean = after.isComplete
      hasJobEnv = after.hasJobEnv
    }
    let unkept: JobError | undefined
    if (mayGoOn || endingsBeforeScript.includes(failure?.code ?? 'internal'))
      unkept = await this.#keepFiles(environment, files, failure === undefined, hasJobEnv || !isClean)
    // A machine that is gone needs no cleaning up.
    const isGone = [failure, unkept].some((error) => error?.code === 'environment_lost')
    if ((hasJobEnv || (plan.hasFiles && !isClean)) && !isGone) await this.#cleanUp(environment, plan)
    return failure ?? unkept
  }

  /** Everything up to the end of the job's steps: in one command where no files are to be brought between. */
  async #runMain(
    environment: JobEnvironment,
    plan: JobPlan,
    files: JobFilesOptions,
    stop: StopSource,
  ): Promise<MainResult> {
    let hasScriptBegun = false
    const prepare = {
      openStage: 'prepare_script' as const,
      notes: plan.notes,
      onHost: (name: string, directory: string): void => {
        for (const secret of plan.maskedValues(directory)) this.#options.trace.addSecret?.(secret)
        this.#log.line(`Running on ${name} via ${this.#options.runner.hostname}...`)
      },
    }
    const onStage = (stage: JobStage, at: number | undefined): void => {
      this.#liftLimit()
      if (stage === 'get_sources') this.#limitSources(stop, at)
      if (hasScriptBegun || stage === 'get_sources') return
      hasScriptBegun = true
      this.#limitScript(plan, stop, at)
    }
    const run = async (
      generate: (nonce: string) => Buffer,
      follow: Follow,
      place?: JobPlace,
    ): Promise<ScriptResult> => {
      const result = await this.#scripts.run(environment, stop.signal, generate, { ...follow, onStage, place })
      this.#liftLimit()
      return result
    }

    const stages = bringFiles(files)
    if (stages.length === 0 && !plan.isPreparedApart) {
      const { failure, isComplete, hasJobEnv } = await run((nonce) => plan.script(nonce), {
        ...prepare,
        stages: ['get_sources', ...plan.stepStages],
      })
      return { failure, isClean: isComplete && !plan.hasAfterScript, hasJobEnv, hasScriptBegun }
    }
    const prepareScript = (nonce: string): Buffer => plan.prepareScript(nonce)
    const prepared = await run(prepareScript, { ...prepare, stages: ['get_sources'] }, 'helper')
    const failure = prepared.failure ?? (await this.#fileStages.run(stages, environment, stop.signal))
    if (failure !== undefined) return { failure, isClean: false, hasJobEnv: false, hasScriptBegun }
    const main = await run((nonce) => plan.stepsScript(nonce), { stages: plan.stepStages })
    return {
      failure: main.failure,
      isClean: main.isComplete && !plan.hasAfterScript,
      hasJobEnv: main.hasJobEnv,
      hasScriptBegun,
    }
  }

  #limitPreparation(stop: StopSource): void {
    const { prepareTimeoutMs: limitMs } = this.#options
    if (limitMs === undefined) return
    this.#liftLimit = stop.whenElapsed(this.#record.elapsed, this.#prepareBegunMs + limitMs, () =>
      this.#tookTooLong('timeout', `${formatGoDuration(limitMs)} (prepare_timeout)`),
    )
  }

  #limitSources(stop: StopSource, begunAt: number | undefined): void {
    const { getSourcesTimeoutMs: limitMs } = this.#options
    if (limitMs === undefined) return
    const { elapsed } = this.#record
    const begunMs = begunAt === undefined ? elapsed.ms : this.#record.elapsedMsAt(begunAt)
    this.#liftLimit = stop.whenElapsed(elapsed, begunMs + limitMs, () =>
      this.#tookTooLong('timeout', `${formatGoDuration(limitMs)} (get_sources_timeout)`),
    )
  }

  #limitScript({ scriptTimeoutMs }: JobPlan, stop: StopSource, begunAt: number | undefined): void {
    const record = this.#record
    const isKnown = record.scriptBegunAt !== undefined || begunAt !== undefined
    record.scriptBegunAt ??= begunAt ?? this.#options.clock.wallTime()
    if (scriptTimeoutMs === undefined) return
    const begunMs = isKnown ? record.elapsedMsAt(record.scriptBegunAt) : record.elapsed.ms
    stop.whenElapsed(record.elapsed, begunMs + scriptTimeoutMs, () =>
      this.#tookTooLong('script_timeout', `${formatGoDuration(scriptTimeoutMs)} (RUNNER_SCRIPT_TIMEOUT)`),
    )
  }

  async #runAfterScript(environment: JobEnvironment, plan: JobPlan, status: JobStatus): Promise<ScriptResult> {
    const stop = this.#stopSource()
    const { afterScriptTimeoutMs: timeoutMs } = plan
    if (timeoutMs !== undefined) {
      const begunMs = this.#record.pastScriptElapsedMs ?? this.#record.elapsed.ms
      stop.whenElapsed(this.#record.elapsed, begunMs + timeoutMs, () =>
        this.#tookTooLong('script_timeout', `${formatGoDuration(timeoutMs)} (RUNNER_AFTER_SCRIPT_TIMEOUT)`),
      )
    }
    try {
      const generate = (nonce: string): Buffer => plan.afterScript(nonce, status)
      const result = await this.#scripts.run(environment, stop.signal, generate, { stages: ['after_script'] })
      const { failure } = result
      if (failure === undefined || this.#options.abort.aborted || !plan.afterScriptIgnoresErrors) return result
      this.#log.warning(`after_script failed, but job will continue unaffected: ${failure.message}`)
      return { ...result, failure: undefined }
    } finally {
      stop.dispose()
    }
  }

  /** Keeps what the job made: what kept it from that fails a job that succeeded otherwise. */
  async #keepFiles(
    environment: JobEnvironment,
    files: JobFilesOptions,
    hasSucceeded: boolean,
    mayHaveJobEnv: boolean,
  ): Promise<JobError | undefined> {
    const stop = this.#stopSource()
    try {
      return await this.#fileStages.run(keepFiles(files, hasSucceeded, mayHaveJobEnv), environment, stop.signal)
    } finally {
      stop.dispose()
    }
  }

  /**
   * Removes what a stopped job left in files. It may fail: then the trace says so, and the outcome stays what it is.
   */
  async #cleanUp(environment: JobEnvironment, plan: JobPlan): Promise<void> {
    const stop = new StopSource()
    stop.after(this.#options.clock, cleanUpLimitMs, () =>
      this.#tookTooLong('timeout', formatGoDuration(cleanUpLimitMs)),
    )
    this.#log.begin('cleanup_file_variables', stageTitle('cleanup_file_variables', this.#options.runner.executor))
    const { isComplete, failure } = await this.#scripts.run(environment, stop.signal, (nonce) => plan.cleanUp(nonce), {
      openStage: 'cleanup_file_variables',
      stages: [],
      place: 'helper',
    })
    if (!isComplete)
      this.#log.warning(
        `files of the job may be left on the instance: ${failure?.message ?? 'the clean-up did not finish'}`,
      )
    stop.dispose()
  }

  /** What stops every part of a job: its time limit, and being aborted. */
  #stopSource(): StopSource {
    const { payload, abort } = this.#options
    const stop = new StopSource()
    stop.when(abort, (reason) =>
      reason instanceof JobError ? reason : new JobError('canceled', 'job_canceled', 'canceled'),
    )
    const timeoutMs = payload.timeout_seconds * 1000
    stop.whenElapsed(this.#record.elapsed, timeoutMs, () =>
      this.#tookTooLong('timeout', `${formatGoDuration(timeoutMs)} seconds`),
    )
    return stop
  }

  #tookTooLong(code: 'timeout' | 'script_timeout', limit: string): JobError {
    return new JobError(code, 'job_execution_timeout', `execution took longer than ${limit}`)
  }

  readonly #prepareLog: PrepareLog = {
    line: (text) => this.#report(text),
    warning: (text) => {
      this.#log.warning(text)
      this.#said()
    },
    progress: (text) => {
      this.#log.progress(text)
      this.#said()
    },
    addSecret: (secret) => this.#options.trace.addSecret?.(secret),
  }

  #report(line: string): void {
    this.#log.line(line)
    this.#said()
  }

  #said(): void {
    if (this.#record.goesOn || this.#record.hasBegun) void this.#log.flush()
    else this.#keepWhatIsSaid()
  }

  /** Before anything has begun: whoever begins anew goes on with this log. */
  #keepWhatIsSaid(): void {
    void this.#log.flush()
    this.#log.restart()
    void this.#record.keep()
  }
}

type Follow = Omit<ScriptFollow, 'place'>

interface MainResult {
  readonly failure: JobError | undefined
  /** Whether the job's clean-up was done too, where no other script is to do it. */
  readonly isClean: boolean
  /** See `ScriptResult`. */
  readonly hasJobEnv: boolean
  readonly hasScriptBegun: boolean
}

/** Failures of a job's script, or of a limit of its own: what follows the script is still done. */
const endingsBeforeAfterScript: readonly JobErrorCode[] = ['script_failed', 'script_timeout']
/** Failures before the script: then what is kept of failed jobs is kept. */
const endingsBeforeScript: readonly JobErrorCode[] = ['sources_failed', 'git_missing', 'dependencies_failed']

function statusOf(failure: JobError | undefined): JobStatus {
  if (failure === undefined) return 'success'
  return failure.code === 'canceled' ? 'canceled' : failure.code === 'script_timeout' ? 'timedout' : 'failed'
}
