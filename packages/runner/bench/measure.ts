import type { Coordinator, CoordinatorJob, JobSpec } from '@runner-core/runner/testing'

/** What one load of trivial jobs took. */
export interface LoadResult {
  readonly jobsPerSecond: number
  /**
   * From the moment a job is handed out to the first byte that its own script printed, as the coordinator receives it.
   */
  readonly firstOutputMs: readonly number[]
}

const marker = 'trivial-job-output'

/** A job that prints one line; the marker does not stand in its script, which is echoed. */
export function trivialJob(runnerToken: string): JobSpec {
  return { name: 'trivial', script: ['echo "trivial-""job-output"'], marker, runnerToken }
}

/** Enqueues `count` jobs at once and waits for them all. */
export async function measureLoad(
  coordinator: Coordinator,
  runnerToken: string,
  count: number,
  ended: Promise<never>,
): Promise<LoadResult> {
  const jobs = Array.from({ length: count }, () => coordinator.enqueue(trivialJob(runnerToken)))
  const finished = await Promise.race([Promise.all(jobs.map((job) => job.finished)), ended])
  const startedAt = Math.min(...finished.map(({ times }) => times.handedOutAt ?? Number.POSITIVE_INFINITY))
  const endedAt = Math.max(...finished.map(({ times }) => times.endedAt ?? 0))
  return { jobsPerSecond: count / ((endedAt - startedAt) / 1000), firstOutputMs: finished.map(firstOutputMs) }
}

/** Runs `count` jobs, each enqueued when the one before it has ended. */
export async function measureOneAtATime(
  coordinator: Coordinator,
  runnerToken: string,
  count: number,
  ended: Promise<never>,
): Promise<readonly number[]> {
  const measured: number[] = []
  for (let i = 0; i < count; i += 1) {
    const { finished } = coordinator.enqueue(trivialJob(runnerToken))
    measured.push(firstOutputMs(await Promise.race([finished, ended])))
  }
  return measured
}

function firstOutputMs(job: CoordinatorJob): number {
  const { handedOutAt, firstOutputAt } = job.times
  if (job.state !== 'success' || handedOutAt === undefined || firstOutputAt === undefined) {
    throw new Error(`job ${job.id}: ${job.state} ${job.failureReason ?? ''}\n${job.trace.text()}`)
  }
  return firstOutputAt - handedOutAt
}

/** Nearest-rank quantile, one decimal. */
export function quantile(values: readonly number[], share: number): number {
  return Math.round(nearestRank(values, share) * 10) / 10
}

export function median(values: readonly number[]): number {
  return nearestRank(values, 0.5)
}

function nearestRank(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
