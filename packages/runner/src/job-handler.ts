import { type Clock, type Logger, loggedSeconds } from '@runner-core/fleeting'
import type { JobPayload, RunnerIdentity } from '@runner-core/job'
import type { InstanceExecutor } from '@runner-core/runner-instance-executor'
import type { QueueDepth, Reservation } from '@runner-core/taskscaler'
import type { RunnerSettings } from './config/settings.ts'
import type { JobApiClient } from './gitlab/job-api-client.ts'
import { HandledJob, type JobEnd } from './handled-job.ts'
import { withFields } from './logging/with-fields.ts'
import { JobProgress } from './metrics/job-progress.ts'
import { createQueuingCheck, type QueuingCheck } from './metrics/queuing-check.ts'
import type { JobCounts, JobObserver } from './metrics/runner-metrics.ts'

export interface JobHandlerOptions {
  readonly settings: RunnerSettings
  readonly client: JobApiClient
  readonly executor: InstanceExecutor
  readonly identity: RunnerIdentity
  /** Told what GitLab says of jobs that wait. */
  readonly queue: QueueDepth
  readonly observer: JobObserver
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
    const { clock, observer } = this.#options
    const logger = withFields(this.#options.logger, { job: job.id, project: job.job_info.project_id })
    const startedAt = clock.now()
    const progress = new JobProgress({ clock, onStageEnd: (stage, tookMs) => observer.stageEnded(stage, tookMs) })
    const { onPhase, onStage } = progress
    let handled: HandledJob | undefined
    this.#came(job, logger)
    try {
      handled = new HandledJob({ ...this.#options, job, reservation, onPhase, onStage, logger })
      this.#active.set(handled, progress)
      if (this.#isInterrupted) handled.interrupt()
      const end = await handled.run()
      const durationMs = clock.now() - startedAt
      if (end !== 'gone') this.#ended(end, durationMs)
      logger.info({ ...endFields(end), duration_seconds: loggedSeconds(durationMs) }, 'Removed job from processing list')
    } catch (error) {
      logger.error({ error }, 'job not run')
    } finally {
      reservation[Symbol.dispose]()
      if (handled !== undefined) this.#active.delete(handled)
    }
  }

  #came({ job_info }: JobPayload, logger: Logger): void {
    const { queue, observer, clock } = this.#options
    const { time_in_queue_seconds, queue_size, queue_depth } = job_info
    this.#queueSize = queue_size
    this.#queueDepth = queue_depth
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
