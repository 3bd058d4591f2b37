import { type Clock, delay, type Logger, type Random } from '@runner-core/fleeting'
import type { JobOutcome, JobPayload } from '@runner-core/job'
import { outcomeUpdate } from '../gitlab/failure-reason.ts'
import type { JobApiClient } from '../gitlab/job-api-client.ts'
import { isNotOurs, statusError } from '../gitlab/job-reply.ts'

export interface ReportLostJobOptions {
  readonly client: Pick<JobApiClient, 'updateJob'>
  readonly job: Pick<JobPayload, 'id' | 'token' | 'features'>
  /** Why it is lost, for the log. */
  readonly why: string
  /** Tries before it is given up, ≥ 1. */
  readonly mostTries: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly signal: AbortSignal
}

const firstWaitMs = 1_000
const longestWaitMs = 60_000

/** Tells the coordinator that a job ended with the process that ran it: a system failure, so that `retry` works. False: it could not be told, and has to be told later. Never rejects. */
export async function reportLostJob(options: ReportLostJobOptions): Promise<boolean> {
  const { client, job, why, mostTries, clock, random, logger, signal } = options
  const outcome: JobOutcome = { state: 'failed', reason: 'runner_system_failure', message: why }
  for (let tries = 1; ; tries += 1) {
    try {
      signal.throwIfAborted()
      const reply = await client.updateJob(job, outcomeUpdate(outcome, job.features.failure_reasons), signal)
      // Told before, called off, or somebody else's: its end is known.
      if (reply.status === 200 || reply.status === 202 || isNotOurs(reply)) {
        logger.warn({ job: job.id, failure: why, status: reply.status }, 'job of an earlier process reported as failed')
        return true
      }
      throw statusError('end of the job', reply)
    } catch (error) {
      if (signal.aborted || tries === mostTries) {
        logger.error({ job: job.id, error }, 'job of an earlier process could not be reported yet')
        return false
      }
      await delay(clock, Math.min(firstWaitMs * 2 ** (tries - 1), longestWaitMs) * (1 - random() / 2), signal).catch(() => {})
    }
  }
}
