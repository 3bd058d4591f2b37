import type { Clock, Logger, Random } from '@runner-core/fleeting'
import type { Acquisition, Taskscaler } from '@runner-core/taskscaler'
import type { JobApiClient } from '../gitlab/job-api-client.ts'
import type { JobJournal, JournalledJob } from './job-journal.ts'
import { reportLostJob } from './report-lost-job.ts'

/** A job whose parts are all there to go on with. */
type ResumableJob = JournalledJob & Required<Pick<JournalledJob, 'handle'>>

/** Goes on with a job of an earlier process until its end has been reported, takes it out of the journal then, and releases the acquisition. Never rejects. */
export type ResumeJob = (job: ResumableJob, acquisition: Acquisition) => Promise<void>

export interface TakeOverJobsOptions {
  /** Jobs that the process before had. */
  readonly left: readonly JournalledJob[]
  readonly jobs: Pick<JobJournal, 'ended'>
  readonly scaler: Pick<Taskscaler, 'restored' | 'claimRestored' | 'dropRestored'>
  /** Absent: no job can go on. */
  readonly resumeJob?: ResumeJob | undefined
  readonly client: Pick<JobApiClient, 'updateJob'>
  readonly finalUpdateRetryLimit: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Ends the reports: what is not reported by then is at the next start. */
  readonly signal: AbortSignal
}

/**
 * Deals with what an earlier process left: jobs that can go on are resumed, the others reported as failed, once, except those that the coordinator does not know we have, and slots that no job has any
 * more are given up with their instances, on which something may still run. Answers the end of each job, which is when it needs nothing more.
 */
export function takeOverJobs(options: TakeOverJobsOptions): readonly Promise<void>[] {
  const { left, scaler, resumeJob, logger } = options
  const ends = left.map((job) => {
    const acquisition = isResumable(job) && resumeJob !== undefined ? scaler.claimRestored(job.acquisitionKey) : undefined
    if (acquisition !== undefined) return resumeJob!(job as ResumableJob, acquisition)
    const why = isResumable(job) ? 'the runner ended, and the job cannot go on' : 'the runner ended before the job had begun on its machine'
    scaler.dropRestored(job.acquisitionKey, `job ${job.payload.id}: ${why}`)
    return job.accepted === true ? report(job, why, options) : forget(job, options)
  })
  const orphans = scaler.restored()
  for (const { key } of orphans) scaler.dropRestored(key, 'the job that had it is not known any more')
  if (left.length > 0 || orphans.length > 0)
    logger.info({ jobs: left.length, slots_given_up: orphans.length }, 'took over what the process before left')
  return ends
}

function isResumable(job: JournalledJob): job is ResumableJob {
  return job.handle !== undefined
}

async function report(
  { payload }: JournalledJob,
  why: string,
  { jobs, finalUpdateRetryLimit, ...options }: TakeOverJobsOptions,
): Promise<void> {
  if (await reportLostJob({ ...options, job: payload, why, mostTries: finalUpdateRetryLimit }))
    await forget({ payload }, { jobs, logger: options.logger })
}

async function forget(
  { payload: { id } }: Pick<JournalledJob, 'payload'>,
  { jobs, logger }: Pick<TakeOverJobsOptions, 'jobs' | 'logger'>,
): Promise<void> {
  await jobs.ended(id).catch((error: unknown) => logger.warn({ job: id, error }, 'end of a job not kept'))
}
