import { type Clock, describeError, type JsonValue, type Logger, loggedSeconds, type Random } from '@runner-core/fleeting'
import type { CacheStore, JobPayload, RunnerIdentity } from '@runner-core/job'
import type { InstanceExecutor } from '@runner-core/runner-instance-executor'
import type { Acquisition, QueueDepth, Reservation } from '@runner-core/taskscaler'
import type { RunnerSettings } from './config/settings.ts'
import type { FleetRecord } from './explain/fleet-record.ts'
import type { JobApiClient } from './gitlab/job-api-client.ts'
import { JobApiError } from './gitlab/job-api-error.ts'
import { isNotOurs } from './gitlab/job-reply.ts'
import { JobReporter } from './gitlab/job-reporter.ts'
import { HandledJob, type HandledJobCheckpoint, type HandledJobOptions, type JobEnd } from './handled-job.ts'
import { withFields } from './logging/with-fields.ts'
import { JobProgress } from './metrics/job-progress.ts'
import { createQueuingCheck, type QueuingCheck } from './metrics/queuing-check.ts'
import type { JobCounts, JobObserver } from './metrics/runner-metrics.ts'
import type { JobJournal, LaterPart } from './state/job-journal.ts'
import { type KeptEnd, KeptTrace } from './state/kept-end.ts'

export interface JobHandlerOptions {
  readonly settings: RunnerSettings
  readonly client: JobApiClient
  readonly executor: InstanceExecutor
  readonly identity: RunnerIdentity
  /** Where all machines keep their caches; absent: each keeps its own. */
  readonly cacheStore?: CacheStore | undefined
  /** Told what GitLab says of jobs that wait. */
  readonly queue: QueueDepth
  readonly observer: JobObserver
  /** Where jobs under way are kept for the next process; absent: nowhere. */
  readonly journal?: JobJournal | undefined
  /** Keeps why jobs waited and where they ran. */
  readonly record: Pick<FleetRecord, 'jobCame' | 'jobWaits' | 'jobPlaced' | 'jobEnded'>
  /** A slot was given back; the job's end may still have to be reported. */
  readonly onSlotFree: () => void
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Runs the jobs of one runner: each from the moment it was handed out until its end has been reported. */
export class JobHandler {
  readonly #options: JobHandlerOptions
  readonly #isLate: QueuingCheck
  readonly #active = new Map<HandledJob, JobProgress>()
  #isInterrupted = false
  #unreported = 0
  #failed = 0
  #queueSize: number | undefined
  #queueDepth: number | undefined

  constructor(options: JobHandlerOptions) {
    this.#options = options
    this.#isLate = createQueuingCheck(options.settings.monitoring.jobQueuingDurations)
  }

  get counts(): JobCounts {
    const [queueSize, queueDepth] = [this.#queueSize, this.#queueDepth]
    return {
      active: [...this.#active.values()],
      failed: this.#failed,
      ...(queueSize !== undefined && { queueSize }),
      ...(queueDepth !== undefined && { queueDepth }),
    }
  }

  /** Jobs whose end could not be reported. */
  get unreportedJobs(): number {
    return this.#unreported
  }

  /** Runs a job and gives its reservation back. Never rejects. */
  async run(job: JobPayload, reservation: Reservation): Promise<void> {
    const { clock, journal } = this.#options
    const logger = this.#loggerOf(job)
    this.#came(job, logger)
    await this.#handle(job, { place: reservation }, logger, async () => {
      // Before the coordinator is told that we have it: one that is not kept is nobody's after a crash.
      await journal?.took({ payload: job, acquisitionKey: reservation.key, takenAt: clock.wallTime() })
    })
    reservation[Symbol.dispose]()
  }

  /** Goes on with a job that an earlier process left while it ran, and gives its acquisition back. `checkpoint` is what was kept of it. Never rejects. */
  async resume(job: JobPayload, acquisition: Acquisition, checkpoint: HandledJobCheckpoint): Promise<void> {
    const logger = this.#loggerOf(job)
    logger.info({ instance: acquisition.instanceId }, 'job of an earlier process goes on')
    const isOver = await this.#handle(job, { place: { acquisition, handle: checkpoint.run.environment }, checkpoint }, logger)
    if (isOver) await acquisition[Symbol.asyncDispose]()
  }

  /** Runs a job of which an earlier process had begun nothing, and gives the reservation back. `checkpoint` is what was kept of it, if anything was. Never rejects. */
  async runAnew(job: JobPayload, reservation: Reservation, checkpoint?: HandledJobCheckpoint): Promise<void> {
    const logger = this.#loggerOf(job)
    logger.info({}, 'job of an earlier process begins anew')
    const keep = async (): Promise<void> => this.#options.journal?.note(job.id, 'acquisitionKey', reservation.key)
    await this.#handle(job, { place: reservation, checkpoint }, logger, keep)
    reservation[Symbol.dispose]()
  }

  /** Tells the coordinator of a job that ended in an earlier process. `signal`: no longer; then it is told after the next start. Never rejects. */
  async tellEnd(job: JobPayload, end: KeptEnd, signal: AbortSignal): Promise<void> {
    const { client, settings, clock, random, journal } = this.#options
    const { outcome, tailAt } = end
    const logger = this.#loggerOf(job)
    const trace = new KeptTrace(end)
    const { finalUpdateRetryLimit } = settings
    const reporter = new JobReporter({ client, job, trace, sent: { bytes: tailAt }, finalUpdateRetryLimit, clock, random, logger })
    const delivery = await reporter.finish(outcome, signal)
    const isTold = delivery.delivered || (delivery.error instanceof JobApiError && isNotOurs(delivery.error))
    const error = delivery.delivered ? undefined : delivery.error
    if (isTold) logger.info({ job_status: outcome.state, reported: true, error }, 'end of a job of an earlier process told')
    else logger.error({ job_status: outcome.state, reported: false, error }, 'end of a job of an earlier process not told')
    if (isTold) await journal?.ended(job.id).catch((error: unknown) => logger.warn({ error }, 'end of a job not kept'))
  }

  #loggerOf(job: JobPayload): Logger {
    return withFields(this.#options.logger, { job: job.id, project: job.job_info.project_id })
  }

  /** False: the job was left, with its slot. */
  async #handle(
    job: JobPayload,
    from: Pick<HandledJobOptions, 'place' | 'checkpoint'>,
    logger: Logger,
    begin?: () => Promise<void>,
  ): Promise<boolean> {
    const { clock, observer, record, journal } = this.#options
    const id = String(job.id)
    const startedAt = clock.now()
    const progress = new JobProgress({ clock, onStageEnd: (stage, tookMs) => observer.stageEnded(stage, tookMs) })
    const { onPhase, onStage } = progress
    let handled: HandledJob | undefined
    try {
      handled = new HandledJob({
        ...this.#options,
        ...from,
        job,
        ...(journal !== undefined && {
          onCheckpoint: (take) => this.#note(job, 'checkpoint', take() as unknown as JsonValue, logger),
          onEnd: (end) => void this.#note(job, 'end', end as unknown as JsonValue, logger),
        }),
        onPhase,
        onStage,
        onWait: (why) => record.jobWaits(id, why),
        onPlaced: ({ instanceId, acquisitionKey, environment }) => {
          record.jobPlaced(id, instanceId, environment.description)
          if (acquisitionKey !== keyOf(from.place)) void this.#note(job, 'acquisitionKey', acquisitionKey, logger)
        },
        logger,
      })
      this.#active.set(handled, progress)
      if (this.#isInterrupted) handled.interrupt()
      await begin?.()
      const end = await handled.run()
      if (end === 'left') {
        logger.info({}, 'job left to another process')
        return false
      }
      if (end === 'gone' || end.isReported)
        journal?.ended(job.id).catch((error: unknown) => logger.warn({ error }, 'end of a job not kept'))
      const durationMs = clock.now() - startedAt
      if (end !== 'gone') this.#ended(end, durationMs)
      record.jobEnded(id, endText(end))
      logger.info({ ...endFields(end), duration_seconds: loggedSeconds(durationMs) }, 'Removed job from processing list')
    } catch (error) {
      logger.error({ error }, 'job not run')
      record.jobEnded(id, `not run: ${describeError(error)}`)
    } finally {
      if (handled !== undefined) this.#active.delete(handled)
    }
    return true
  }

  /** Never rejects. */
  async #note({ id }: JobPayload, part: LaterPart, value: JsonValue, logger: Logger): Promise<void> {
    await this.#options.journal
      ?.note(id, part, value)
      .catch((error: unknown) => logger.warn({ error }, 'how far a job has come is not kept'))
  }

  #came({ id, job_info }: JobPayload, logger: Logger): void {
    const { queue, observer, record, clock } = this.#options
    const { time_in_queue_seconds, queue_size, queue_depth } = job_info
    this.#queueSize = queue_size
    this.#queueDepth = queue_depth
    record.jobCame(String(id), time_in_queue_seconds * 1000)
    // The job that was just handed out was still in the queue when it was counted.
    if (queue_size !== undefined) queue.set(Math.max(0, queue_size - 1))
    observer.started(time_in_queue_seconds, this.#isLate(job_info, clock.wallTime()))
    const queued = { time_in_queue_seconds: loggedSeconds(time_in_queue_seconds * 1000), queue_size, queue_depth }
    logger.info(queued, 'Added job to processing list')
  }

  #ended({ outcome, isReported }: Exclude<JobEnd, 'gone' | 'left'>, durationMs: number): void {
    this.#options.observer.ended(durationMs, outcome.state === 'failed' ? outcome.reason : undefined)
    if (outcome.state === 'failed') this.#failed += 1
    if (!isReported) this.#unreported += 1
  }

  /** See `InstanceExecutor.sweepsEnded`. */
  sweepsEnded(): Promise<void> {
    return this.#options.executor.sweepsEnded()
  }

  /** Ends every job, those that come later too: each is reported as interrupted. */
  interrupt(): void {
    this.#isInterrupted = true
    for (const job of this.#active.keys()) job.interrupt()
  }

  /** Another process gets the fleet, and its jobs: they are left to it as they are. Those that have ended go on to be told, unless that is to stop `atOnce`. */
  leave(how: { readonly atOnce: boolean }): void {
    for (const job of this.#active.keys()) job.leave(how)
  }

  /** Waits for nothing more: what is not reported by now stays so, and slots are given back as they are. */
  abandon(): void {
    for (const job of this.#active.keys()) job.abandon()
  }
}

function keyOf(place: HandledJobOptions['place']): string {
  return 'acquisition' in place ? place.acquisition.key : place.key
}

function endFields(end: Exclude<JobEnd, 'left'>): object {
  if (end === 'gone') return { job_status: 'gone' }
  const { outcome, isReported } = end
  const failure = outcome.state === 'failed' && { failure_reason: outcome.reason, exit_code: outcome.exitCode, failure: outcome.message }
  return { job_status: outcome.state, ...failure, ...(!isReported && { reported: false }) }
}

function endText(end: Exclude<JobEnd, 'left'>): string {
  if (end === 'gone') return 'gone: it is not ours, or nobody wants it any more'
  const { outcome, isReported } = end
  const how = outcome.state === 'failed' ? `failed (${outcome.reason}): ${outcome.message}` : outcome.state
  return isReported ? how : `${how}; GitLab could not be told`
}
