import type { Clock, Logger, Random } from '@runner-core/fleeting'
import {
  type CacheStore,
  type ClonePaths,
  hasTimestamps,
  isDebugTrace,
  type JobCheckpoint,
  type JobEnvironment,
  JobError,
  type JobOutcome,
  type JobPayload,
  type JobStage,
  LineTimes,
  type RunnerIdentity,
  runJob,
  type ScriptStart,
  secretsOf,
  Trace,
  withFeatureFlags,
} from '@runner-core/job'
import type { JobExecutor, PreparedPlace } from '@runner-core/runner-executor'
import type { Acquisition, Reservation } from '@runner-core/taskscaler'
import { atMost } from '../at-most.ts'
import type { RunnerSettings } from '../config/settings.ts'
import type { EndedJob, EndOutbox } from '../ends/end-outbox.ts'
import { JobApiError } from '../gitlab/http/job-api-error.ts'
import type { JobApiClient } from '../gitlab/job-api-client.ts'
import { isNotOurs } from '../gitlab/job-reply.ts'
import { JobReporter } from '../gitlab/report/job-reporter.ts'
import { type ActiveJobCheckpoint, JobCheckpoints, maxKeepMs } from './job-checkpoints.ts'
import type { JobPhase } from './job-progress.ts'
import { readClientCertificate, readServerCertificates } from './server-certificates.ts'

/** `active`: it waits for its slot, or runs · `ended`: only its end is still told · `left`: another process has it. */
type LifePhase = 'active' | 'ended' | 'left'

const nextPhases: Readonly<Record<LifePhase, readonly LifePhase[]>> = {
  active: ['ended', 'left'],
  ended: ['left'],
  left: [],
}

/** The place of a job that an earlier process left while it ran. */
interface LeftPlace {
  readonly acquisition: Acquisition
  /** `JobEnvironment.handle` */
  readonly handle: unknown
}

export interface ActiveJobOptions {
  readonly job: JobPayload
  /**
   * A promise of a slot, or the place of a job that goes on. Absent: it claims a slot as soon as there is any to have.
   */
  readonly place?: Reservation | LeftPlace | undefined
  /** What an earlier process kept of the job. Absent: the job begins. */
  readonly checkpoint?: ActiveJobCheckpoint | undefined
  /**
   * Called while the job waits and something was said, when a script has failed, and when the coordinator has taken a
   * piece of the trace. `take` gives what another process would need. Before a script starts, with `start`: see
   * `RunJobOptions.onCheckpoint`. Must not throw. Absent: a job ends with its process.
   */
  readonly onCheckpoint?: ((take: () => ActiveJobCheckpoint, start?: ScriptStart) => void | Promise<void>) | undefined
  /**
   * Keeps how the job ended before its slot is given back: from then on nobody could go on with it; and goes on telling
   * an end that the coordinator did not take at once. Absent: such an end is given up.
   */
  readonly ends?: Pick<EndOutbox, 'keep' | 'settled' | 'take'> | undefined
  readonly settings: RunnerSettings
  readonly client: JobApiClient
  readonly executor: JobExecutor
  readonly identity: RunnerIdentity
  /** Where all machines keep their caches; absent: each keeps its own. */
  readonly cacheStore?: CacheStore | undefined
  readonly onPhase: (phase: JobPhase) => void
  /** Undefined: the stage under way has ended, and none follows at once. */
  readonly onStage: (stage: JobStage | undefined) => void
  /**
   * Awaited once the job has its place, before anything is made of what it holds. Must not reject. Default: nothing is.
   */
  readonly beforePlan?: (() => Promise<void>) | undefined
  /** Why there is no slot yet. */
  readonly onWait: (why: string) => void
  readonly onPlaced: (prepared: PreparedPlace) => void
  readonly onSlotFree: () => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/**
 * How a job left us: with an outcome that the coordinator knows, will be told of later (`waits`), or refused; `gone`
 * because somebody else has it or nobody wants it; `left` as it runs, or waits, to another process.
 */
export type JobEnd =
  | { readonly outcome: JobOutcome; readonly isReported: boolean; readonly waits?: true }
  | 'gone'
  | 'left'

/** One job from being handed out to its end being reported. */
export class ActiveJob {
  readonly #options: ActiveJobOptions
  readonly #trace: Trace
  readonly #reporter: JobReporter
  readonly #abort = new AbortController()
  readonly #abandon = new AbortController()
  /** The machine is another manager's: nothing that runs there is waited for, or ended. */
  readonly #instanceLost = new AbortController()
  #prepared: PreparedPlace | undefined
  #wiping: Promise<void> = Promise.resolve()
  readonly #checkpoints: JobCheckpoints
  #life: LifePhase = 'active'
  /** Its slot is another job's. */
  #isGivenBack = false

  constructor(given: ActiveJobOptions) {
    const options = { ...given, job: withFeatureFlags(given.job, given.settings.featureFlags) }
    const { job, checkpoint, client, settings, ends, clock, random, logger } = options
    this.#options = options
    const sent = checkpoint?.sent
    const settingSources = { payload: job, environmentVariables: settings.environment }
    // A log that an earlier version began without times goes on without them.
    const isPlain = checkpoint !== undefined && checkpoint.lineTimes === undefined
    const lineTimes =
      hasTimestamps(settingSources) && !isPlain ? new LineTimes({ clock, record: checkpoint?.lineTimes }) : undefined
    this.#checkpoints = new JobCheckpoints({
      sent: sent ?? { bytes: 0, crc32: 0 },
      lineTimes,
      keep: options.onCheckpoint,
      settled: async () => ends?.settled(),
      isLeft: () => this.#isLeft,
      clock,
    })
    this.#trace = new Trace({
      lineTimes,
      secrets: secretsOf(job),
      tokenPrefixes: job.features.token_mask_prefixes,
      limitBytes: settings.outputLimitBytes,
    })
    this.#reporter = new JobReporter({
      client,
      job,
      trace: this.#trace,
      isDebugTrace: !settings.debugTraceDisabled && isDebugTrace(settingSources),
      finalUpdateRetryLimit: settings.finalUpdateRetryLimit,
      sent,
      beforePiece: async () => {
        if (ends !== undefined && this.#life !== 'ended') await this.#checkpoints.keepSaid()
      },
      onSent: (sentNow) => this.#checkpoints.noteSent(sentNow),
      clock,
      random,
      logger,
    })
    const { aborted } = this.#reporter
    aborted.addEventListener('abort', () => this.#abort.abort(aborted.reason), { once: true })
  }

  /** Aborts when the job is to end, or nothing is to be done for it here any more. */
  get stopped(): AbortSignal {
    return AbortSignal.any([this.#abort.signal, this.#abandon.signal])
  }

  /**
   * Resolves once what it left on its machine is to be removed, as soon as the next process knows how it ended. Never
   * rejects. To be called when `run` is over.
   */
  get wiping(): Promise<void> {
    return this.#wiping
  }

  /** Ends the job now; it is reported as interrupted. */
  interrupt(): void {
    this.#abort.abort(new JobError('interrupted', 'runner_interrupted', 'the runner was stopped'))
  }

  /** Waits for nothing more: neither for the job's end on its machine nor for the coordinator. */
  abandon(): void {
    this.interrupt()
    this.#abandon.abort(new Error('the runner does not wait any longer'))
  }

  /**
   * Reports the job as interrupted without a word to its machine, which another manager has. One that has ended goes on
   * to be told.
   */
  loseInstance(): void {
    if (this.#life === 'ended') return
    const reason = new JobError('interrupted', 'runner_interrupted', 'another manager has taken the instances over')
    this.#instanceLost.abort(reason)
    this.#abort.abort(reason)
  }

  /**
   * Another process has the job now, as it runs or waits: nothing about it is done, kept or said here any more. One
   * that has ended goes on to be told, unless that is to stop `atOnce`.
   */
  leave({ atOnce }: { readonly atOnce: boolean }): void {
    if (this.#life === 'ended' && !atOnce) return
    this.#enter('left')
    this.#abandon.abort(new Error('another process has the job now'))
  }

  /**
   * Gives the reservation back, whatever happens. When the coordinator could not be told in time that we have the job,
   * the job has failed, and that is told later.
   */
  async run(): Promise<JobEnd> {
    if (this.#isLeft) return 'left'
    // Asked while a place is made ready: only the job's own commands have to wait for the answer.
    const accepted = this.#accept()
    try {
      const outcome = await this.#unlessAbandoned(this.#runJob(accepted))
      if (!this.#enter('ended')) {
        void this.#reporter.finish(outcome, this.#abandon.signal)
        return 'left'
      }
      this.#trace.end()
      const kept = await this.#options.ends?.keep(this.#endedWith(outcome))
      // Without its slot the next process could only report it as lost, unless it knows how it ended.
      if (await this.#isEndKept()) await this.#giveBack()
      const answer = await accepted
      if (answer === 'gone') return 'gone'
      this.#options.onPhase('finished')
      const delivery = await this.#reporter.finish(outcome, this.#abandon.signal)
      if (
        answer === 'failed' &&
        !delivery.delivered &&
        delivery.error instanceof JobApiError &&
        isNotOurs(delivery.error)
      )
        return 'gone'
      if (this.#isLeft) return 'left'
      // Whoever called the job off knows its end.
      if (delivery.delivered || this.#reporter.aborted.aborted) return { outcome, isReported: true }
      const { ends } = this.#options
      if (ends === undefined || (delivery.error instanceof JobApiError && isNotOurs(delivery.error)))
        return { outcome, isReported: false }
      await ends.take(this.#endedWith(outcome), kept, delivery.error)
      return { outcome, isReported: false, waits: true }
    } finally {
      await this.#giveBack()
      if (!this.#isLeft) this.#wiping = this.#wipe()
      await this.#trace.close()
    }
  }

  /** Whether the next process would know how the job ended. False: it was not kept in time, and is to be told first. */
  async #isEndKept(): Promise<boolean> {
    const { ends, clock } = this.#options
    let isKept = ends === undefined
    const settled = ends?.settled().then(
      () => (isKept = true),
      () => {},
    )
    await atMost(clock, maxKeepMs, settled ?? Promise.resolve())
    return isKept
  }

  /**
   * What is left on the machine shows that the job's script ran. The next process would start it once more without,
   * unless it knows how the job ended. Never rejects.
   */
  async #wipe(): Promise<void> {
    try {
      await this.#options.ends?.settled()
      this.#prepared?.wipe()
    } catch {
      // Another process has the fleet, and the job.
    }
  }

  #endedWith(outcome: JobOutcome): EndedJob {
    return { job: this.#options.job, outcome, trace: this.#trace, sentBytes: this.#checkpoints.sent.bytes }
  }

  async #accept(): Promise<'accepted' | 'gone' | 'failed'> {
    try {
      const answer = await this.#reporter.accept(this.#abandon.signal)
      if (answer === 'gone') this.#abort.abort(new JobError('canceled', 'job_canceled', 'the job is not ours'))
      return answer
    } catch (error) {
      this.#options.logger.warn({ error }, 'job not accepted')
      // No script starts before the coordinator knows: it was told already, by an earlier process.
      if ((this.#options.checkpoint?.run.scripts.length ?? 0) > 0) return 'failed'
      const message = 'the coordinator could not be told that the job was taken'
      this.#abort.abort(new JobError('internal', 'runner_system_failure', message, { cause: error }))
      return 'failed'
    }
  }

  #runJob(accepted: Promise<unknown>): Promise<JobOutcome> {
    const {
      client,
      job,
      place,
      checkpoint,
      settings,
      executor,
      identity,
      cacheStore,
      onPhase,
      onStage,
      onWait,
      onPlaced,
      onCheckpoint,
      beforePlan,
      clock,
      logger,
    } = this.#options
    return runJob({
      payload: job,
      ...(checkpoint !== undefined && { resume: checkpoint.run }),
      ...(onCheckpoint !== undefined && {
        onCheckpoint: (take: () => JobCheckpoint, start?: ScriptStart) =>
          this.#checkpoints.offer(take, start && this.#told(start)),
      }),
      supports: executor.supports,
      prepare: async (write, signal, log): Promise<JobEnvironment> => {
        const report = (line: string): void => {
          write(line)
          onWait(line)
          // Nothing else may come for minutes, and it says why. Before the job is accepted this only makes it the first
          // thing to be sent.
          this.#reporter.flushNow()
        }
        const lost = this.#prepared
        await lost?.release()
        lost?.wipe()
        const prepared =
          place !== undefined && 'acquisition' in place
            ? await executor.resume(place.acquisition, place.handle, job)
            : await executor.prepare(place, {
                report,
                log,
                // A reservation that is given back ends the wait by itself.
                signal: place === undefined ? AbortSignal.any([signal, this.#abandon.signal]) : signal,
                job,
                project: `${job.job_info.project_id}`,
                again: lost !== undefined,
              })
        onPlaced(prepared)
        if (this.#isGivenBack) await prepared.release()
        else this.#prepared = prepared
        this.#endWith(prepared)
        await accepted
        // What was left running is ended by its environment.
        if (place === undefined || !('acquisition' in place)) signal.throwIfAborted()
        onPhase('running')
        await beforePlan?.()
        return prepared.environment
      },
      trace: this.#trace,
      clock,
      canceling: this.#reporter.canceling,
      abort: this.#abort.signal,
      runner: identity,
      environmentVariables: settings.environment,
      runnerScripts: {
        preGetSources: settings.preGetSourcesScript,
        postGetSources: settings.postGetSourcesScript,
        preBuild: settings.preBuildScript,
        postBuild: settings.postBuildScript,
      },
      cloneUrl: settings.cloneUrl || undefined,
      clonePaths: clonePaths(settings),
      prepareTimeoutMs: settings.prepareTimeoutMs || undefined,
      getSourcesTimeoutMs: settings.getSourcesTimeoutMs || undefined,
      allowsDebugTrace: !settings.debugTraceDisabled,
      serverCertificates: readServerCertificates(settings, logger),
      clientCertificate: readClientCertificate(settings, logger),
      artifacts: {
        download: (dependency, how) => client.downloadArtifacts(dependency, how),
        upload: (upload) => client.uploadArtifacts(job, upload),
      },
      caches: { directory: settings.cacheDir, store: cacheStore },
      onStage,
    })
  }

  /**
   * The cloud takes the job's machine away: what is left of its time is for ending the job in order, so that GitLab may
   * have it run again.
   */
  #endWith(prepared: PreparedPlace): void {
    const { ending } = prepared
    const end = (): void => {
      const { message } = ending.reason as Error
      if (this.#prepared === prepared)
        this.#abort.abort(new JobError('interrupted', 'runner_interrupted', message, { cause: ending.reason }))
    }
    if (ending.aborted) end()
    else ending.addEventListener('abort', end, { once: true })
  }

  #unlessAbandoned(outcome: Promise<JobOutcome>): Promise<JobOutcome> {
    const abandoned = new Promise<JobOutcome>((resolve) => {
      const end = (message: string): void => resolve({ state: 'failed', reason: 'runner_interrupted', message })
      this.#abandon.signal.addEventListener('abort', () => end('the runner was stopped'), { once: true })
      const lost = this.#instanceLost.signal
      lost.addEventListener('abort', () => end((lost.reason as Error).message), { once: true })
    })
    return Promise.race([outcome, abandoned])
  }

  /** The slot goes to the next job before the coordinator is told about this one. Idempotent. */
  async #giveBack(): Promise<void> {
    if (this.#isGivenBack) return
    this.#isGivenBack = true
    const { place, onSlotFree } = this.#options
    // What runs on the machine is not ours to end.
    if (!this.#isLeft && !this.#instanceLost.signal.aborted) await this.#prepared?.release()
    if (place !== undefined && !('acquisition' in place)) place[Symbol.dispose]()
    onSlotFree()
  }

  /** Nothing else may come for minutes: what is said of the wait is sent at once. */
  #told({ signal, report }: ScriptStart): ScriptStart {
    return {
      signal,
      report: (line) => {
        report(line)
        this.#options.onWait(line)
        this.#reporter.flushNow()
      },
    }
  }

  get #isLeft(): boolean {
    return this.#life === 'left'
  }

  /** False where that phase cannot follow. */
  #enter(phase: LifePhase): boolean {
    if (!nextPhases[this.#life].includes(phase)) return false
    this.#life = phase
    return true
  }
}

function clonePaths({ customBuildDir: { enabled } }: RunnerSettings): ClonePaths {
  if (enabled === undefined) return 'own'
  return enabled ? 'any' : 'none'
}
