import type { Clock, Logger } from '@runner-core/fleeting'
import type { JobPayload, RunnerIdentity } from '@runner-core/job'
import type { InstanceExecutor } from '@runner-core/runner-instance-executor'
import type { QueueDepth, Reservation } from '@runner-core/taskscaler'
import type { RunnerSettings } from './config/settings.ts'
import type { JobApiClient } from './gitlab/job-api-client.ts'
import { HandledJob, type JobEnd } from './handled-job.ts'
import { withFields } from './logging/with-fields.ts'
import type { JobCounts, JobObserver, JobPhase } from './metrics/runner-metrics.ts'

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
  readonly #phases: Record<JobPhase, number> = { pending: 0, running: 0, finished: 0 }
  readonly #options: JobHandlerOptions
  readonly #active = new Set<HandledJob>()
  #isInterrupted = false
  #unreported = 0
  #failed = 0
  #queueSize: number | undefined
  #queueDepth: number | undefined

  constructor(options: JobHandlerOptions) {
    this.#options = options
  }

  get counts(): JobCounts {
    const [queueSize, queueDepth] = [this.#queueSize, this.#queueDepth]
    return {
      phases: this.#phases,
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
    const { clock } = this.#options
    const logger = withFields(this.#options.logger, { job: job.id, project: job.job_info.project_id })
    const startedAt = clock.now()
    let phase: JobPhase = 'pending'
    const onPhase = (next: JobPhase): void => {
      this.#phases[phase] -= 1
      this.#phases[next] += 1
      phase = next
    }
    this.#phases.pending += 1
    this.#came(job, logger)
    try {
      const end = await this.#handle(new HandledJob({ ...this.#options, job, reservation, onPhase, logger }))
      const durationMs = clock.now() - startedAt
      if (end !== 'gone') this.#ended(end, durationMs)
      logger.info({ ...endFields(end), duration_seconds: durationMs / 1000 }, 'Removed job from processing list')
    } catch (error) {
      logger.error({ error }, 'job not run')
    } finally {
      reservation[Symbol.dispose]()
      this.#phases[phase] -= 1
    }
  }

  async #handle(handled: HandledJob): Promise<JobEnd> {
    this.#active.add(handled)
    if (this.#isInterrupted) handled.interrupt()
    try {
      return await handled.run()
    } finally {
      this.#active.delete(handled)
    }
  }

  #came({ job_info: { time_in_queue_seconds, queue_size, queue_depth } }: JobPayload, logger: Logger): void {
    const { queue, observer } = this.#options
    this.#queueSize = queue_size
    this.#queueDepth = queue_depth
    // The job that was just handed out was still in the queue when it was counted.
    if (queue_size !== undefined) queue.set(Math.max(0, queue_size - 1))
    observer.started(time_in_queue_seconds)
    logger.info({ time_in_queue_seconds, queue_size, queue_depth }, 'Added job to processing list')
  }

  #ended({ outcome, isReported }: Exclude<JobEnd, 'gone'>, durationMs: number): void {
    this.#options.observer.ended(durationMs, outcome.state === 'failed' ? outcome.reason : undefined)
    if (outcome.state === 'failed') this.#failed += 1
    if (!isReported) this.#unreported += 1
  }

  /** Ends every job, those that come later too: each is reported as interrupted. */
  interrupt(): void {
    this.#isInterrupted = true
    for (const job of this.#active) job.interrupt()
  }

  /** Waits for nothing more: what is not reported by now stays so, and slots are given back as they are. */
  abandon(): void {
    for (const job of this.#active) job.abandon()
  }
}

function endFields(end: JobEnd): object {
  if (end === 'gone') return { job_status: 'gone' }
  const { outcome, isReported } = end
  const failure = outcome.state === 'failed' && { failure_reason: outcome.reason, exit_code: outcome.exitCode, failure: outcome.message }
  return { job_status: outcome.state, ...failure, ...(!isReported && { reported: false }) }
}
