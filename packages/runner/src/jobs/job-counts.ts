import type { JobProgress } from './job-progress.ts'

/** What a runner counts of its jobs. */
export interface JobCounts {
  /** What each job under way is at. */
  readonly active: readonly Pick<JobProgress, 'phase' | 'stage'>[]
  /** Jobs that failed so far. */
  readonly failed: number
  /**
   * What GitLab last said of the runner's queue, where it did: jobs in it, and how many it looked at before it found
   * ours.
   */
  readonly queueSize?: number
  readonly queueDepth?: number
}
