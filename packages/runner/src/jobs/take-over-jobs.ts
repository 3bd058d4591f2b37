import type { Logger } from '@runner-core/fleeting'
import type { Acquisition, Taskscaler } from '@runner-core/taskscaler'
import type { EndOutbox } from '../ends/end-outbox.ts'
import type { JournalledJob } from '../state/job-journal.ts'
import type { ActiveJobCheckpoint } from './job-checkpoints.ts'
import type { JobSupervisor } from './job-supervisor.ts'

export interface TakeOverJobsOptions {
  /** Jobs that the process before had. */
  readonly left: readonly JournalledJob[]
  readonly scaler: Pick<Taskscaler, 'restored' | 'claimRestored' | 'dropRestored'>
  readonly supervisor: Pick<JobSupervisor, 'resume' | 'runAnew'>
  /** Tells how jobs ended; those whose end was kept are its own already. */
  readonly ends: Pick<EndOutbox, 'lose'>
  readonly logger: Logger
}

/**
 * Deals with what an earlier process left: the slots of jobs that have ended are given back, jobs that run on their
 * machine go on there, jobs of which nothing has begun begin anew on any, and the others are reported as failed, once.
 * Slots that no job has any more are given up with their instances, on which something may still run. Answers the end
 * of each job, which is when it needs nothing more.
 */
export function takeOverJobs(options: TakeOverJobsOptions): readonly Promise<void>[] {
  const { left, scaler, supervisor, ends, logger } = options
  const done = left.map((job) => {
    const { payload, acquisitionKey } = job
    const checkpoint = job.checkpoint as ActiveJobCheckpoint | undefined
    if (job.isPoison) {
      scaler.dropRestored(acquisitionKey, `job ${payload.id}: ${poison}`)
      ends.lose(payload, poison)
      return Promise.resolve()
    }
    if (job.end !== undefined) return giveBack(acquisitionKey, scaler)
    if (checkpoint === undefined || checkpoint.run.scripts.length === 0) {
      return giveBack(acquisitionKey, scaler).then(() => supervisor.runAnew(payload, checkpoint))
    }
    const acquisition = checkpoint.run.environment === null ? undefined : scaler.claimRestored(acquisitionKey)
    if (acquisition !== undefined) return supervisor.resume(payload, acquisition, checkpoint)
    scaler.dropRestored(acquisitionKey, `job ${payload.id}: ${cannotGoOn}`)
    ends.lose(payload, cannotGoOn)
    return Promise.resolve()
  })
  const orphans = scaler.restored()
  for (const { key } of orphans) scaler.dropRestored(key, 'the job that had it is not known any more')
  if (left.length > 0 || orphans.length > 0)
    logger.info({ jobs: left.length, slots_given_up: orphans.length }, 'took over what the process before left')
  return done
}

/** Nothing of a job runs on the slot that it still has. */
async function giveBack(acquisitionKey: string, scaler: Pick<Taskscaler, 'claimRestored'>): Promise<void> {
  const unused: Acquisition | undefined = scaler.claimRestored(acquisitionKey)
  await unused?.[Symbol.asyncDispose]()
}

const poison = 'two managers in a row died while they took this job up'
const cannotGoOn = 'the runner ended, and the job cannot go on'
