import { type Clock, describeError, type JsonValue, type Logger, loggedSeconds } from '@runner-core/fleeting'
import type { JobPayload, RunnerIdentity } from '@runner-core/job'
import type { InstanceExecutor } from '@runner-core/runner-instance-executor'
import type { Acquisition, QueueDepth, Reservation } from '@runner-core/taskscaler'
import type { RunnerSettings } from './config/settings.ts'
import type { FleetRecord } from './explain/fleet-record.ts'
import type { JobApiClient } from './gitlab/job-api-client.ts'
import { HandledJob, type HandledJobCheckpoint, type HandledJobOptions, type JobEnd, type LeftJob } from './handled-job.ts'
import { withFields } from './logging/with-fields.ts'
import { JobProgress } from './metrics/job-progress.ts'
import { createQueuingCheck, type QueuingCheck } from './metrics/queuing-check.ts'
import type { JobCounts, JobObserver } from './metrics/runner-metrics.ts'
import type { JobJournal } from './state/job-journal.ts'

export interface JobHandlerOptions {
  readonly settings: RunnerSettings
  readonly client: JobApiClient
  readonly executor: InstanceExecutor
  readonly identity: RunnerIdentity
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
    await this.#handle(job, reservation, logger, async () => {
      // Before the coordinator is told that we have it: one that is not kept is nobody's after a crash.
      await journal?.took({ payload: job, acquisitionKey: reservation.key, takenAt: clock.wallTime() })
    })
    reservation[Symbol.dispose]()
  }

  /** Goes on with a job of an earlier process and gives its acquisition back. `checkpoint` is what was kept of it. Never rejects. */
  async resume(job: JobPayload, acquisition: Acquisition, checkpoint: HandledJobCheckpoint): Promise<void> {
    const logger = this.#loggerOf(job)
    logger.info({ instance: acquisition.instanceId }, 'job of an earlier process goes on')
    await this.#handle(job, { acquisition, checkpoint }, logger)
    await acquisition[Symbol.asyncDispose]()
  }

  #loggerOf(job: JobPayload): Logger {
    return withFields(this.#options.logger, { job: job.id, project: job.job_info.project_id })
  }

  async #handle(job: JobPayload, place: Reservation | LeftJob, logger: Logger, begin?: () => Promise<void>): Promise<void> {
    const { clock, observer, record, journal } = this.#options
    const id = String(job.id)
    const startedAt = clock.now()
    const progress = new JobProgress({ clock, onStageEnd: (stage, tookMs) => observer.stageEnded(stage, tookMs) })
    const { onPhase, onStage } = progress
    let handled: HandledJob | undefined
    try {
      handled = new HandledJob({
        ...this.#options,
        job,
        place,
        onAccepted: () => this.#noteAccepted(job, logger),
        onCheckpoint: this.#keeper(job, logger),
        onPhase,
        onStage,
        onWait: (why) => record.jobWaits(id, why),
        onPlaced: ({ instanceId, environment }) => record.jobPlaced(id, instanceId, environment.description),
        logger,
      })
      this.#active.set(handled, progress)
      if (this.#isInterrupted) handled.interrupt()
      await begin?.()
      const end = await handled.run()
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
  }

  /** A script that is about to start waits for it: one that nobody knows of could not be found again. */
  #keeper({ id }: JobPayload, logger: Logger): HandledJobOptions['onCheckpoint'] {
    const { journal } = this.#options
    if (journal === undefined) return undefined
    let isFirst = true
    return async (take) => {
      const checkpoint = take()
      const notes = [journal.note(id, 'checkpoint', checkpoint as unknown as JsonValue)]
      if (isFirst) notes.push(journal.note(id, 'handle', checkpoint.run.environment as JsonValue))
      isFirst = false
      await Promise.all(notes).catch((error: unknown) => logger.warn({ error }, 'how far a job has come is not kept'))
    }
  }

  /** Not waited for: what is lost with the process is at most the last moment. */
  #noteAccepted({ id }: JobPayload, logger: Logger): void {
    this.#options.journal?.note(id, 'accepted', true).catch((error: unknown) => logger.warn({ error }, 'job not kept'))
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

  #ended({ outcome, isReported }: Exclude<JobEnd, 'gone'>, durationMs: number): void {
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

  /** Another process has the fleet now, and its jobs: they are left to it as they are. */
  leave(): void {
    for (const job of this.#active.keys()) job.leave()
  }

  /** Waits for nothing more: what is not reported by now stays so, and slots are given back as they are. */
  abandon(): void {
    for (const job of this.#active.keys()) job.abandon()
  }
}

function endFields(end: JobEnd): object {
  if (end === 'gone') return { job_status: 'gone' }
  const { outcome, isReported } = end
  const failure = outcome.state === 'failed' && { failure_reason: outcome.reason, exit_code: outcome.exitCode, failure: outcome.message }
  return { job_status: outcome.state, ...failure, ...(!isReported && { reported: false }) }
}

function endText(end: JobEnd): string {
  if (end === 'gone') return 'gone: it is not ours, or nobody wants it any more'
  const { outcome, isReported } = end
  const how = outcome.state === 'failed' ? `failed (${outcome.reason}): ${outcome.message}` : outcome.state
  return isReported ? how : `${how}; GitLab could not be told`
}
