import { seededRandom } from '@runner-core/fleeting/testing'

export interface ArrivingJob {
  /** From the begin of the hour, milliseconds. */
  readonly atMs: number
  readonly durationMs: number
}

/**
 * How many jobs were submitted in each 10 s of an hour: the 207 busiest hours of 2025 of five public projects
 * (gitlab-runner, bullmq, temporal, testcontainers, trpc) laid over one another, 10,000 jobs in all. When their
 * pipelines started is real, taken from the times of commits; how many jobs a pipeline has, and when, was made up.
 */
// biome-ignore format: a row for each five minutes
const submitted: readonly number[] = [
  19, 5, 29, 9, 29, 9, 16, 16, 26, 17, 6, 31, 16, 26, 6, 8, 8, 39, 31, 66, 25, 32, 37, 26, 20, 19, 41, 109, 72, 56,
  24, 46, 34, 89, 37, 31, 9, 70, 3, 30, 16, 23, 21, 33, 13, 9, 39, 4, 26, 9, 20, 62, 34, 15, 14, 19, 6, 78, 23, 33,
  39, 23, 41, 66, 22, 61, 32, 115, 43, 89, 24, 77, 41, 65, 28, 59, 32, 42, 33, 29, 37, 65, 23, 12, 35, 24, 72, 27, 28, 54,
  17, 60, 66, 21, 22, 41, 23, 19, 43, 29, 22, 7, 7, 39, 21, 16, 5, 5, 37, 20, 33, 20, 1, 25, 9, 32, 22, 53, 5, 31,
  5, 43, 34, 49, 35, 22, 23, 49, 21, 54, 5, 19, 34, 18, 18, 22, 5, 5, 24, 58, 28, 41, 7, 10, 19, 50, 22, 18, 31, 12,
  41, 25, 27, 36, 8, 22, 43, 10, 19, 11, 22, 19, 20, 54, 32, 35, 22, 12, 13, 51, 28, 4, 13, 20, 49, 25, 41, 71, 114, 53,
  50, 59, 36, 82, 68, 37, 27, 64, 53, 79, 36, 45, 42, 7, 42, 44, 33, 5, 44, 13, 43, 39, 83, 36, 24, 28, 35, 29, 23, 14,
  20, 14, 36, 42, 41, 32, 26, 17, 32, 8, 19, 11, 18, 21, 18, 20, 23, 35, 39, 19, 33, 29, 45, 38, 39, 38, 34, 36, 16, 20,
  19, 32, 10, 26, 9, 41, 7, 59, 10, 18, 36, 44, 15, 30, 26, 29, 29, 15, 29, 31, 20, 27, 38, 7, 25, 11, 12, 8, 30, 23,
  26, 39, 10, 36, 8, 17, 18, 29, 14, 29, 15, 27, 14, 20, 17, 44, 29, 38, 7, 31, 7, 16, 45, 21, 24, 14, 5, 8, 31, 28,
  24, 12, 59, 14, 43, 24, 12, 16, 25, 27, 44, 22, 17, 19, 8, 17, 34, 16, 13, 5, 4, 31, 33, 19, 25, 0, 42, 16, 23, 3,
  20, 0, 32, 12, 37, 7, 19, 10, 63, 13, 34, 9, 13, 11, 11, 12, 11, 6, 12, 8, 8, 13, 0, 1, 4, 7, 12, 8, 8, 1,
]

/**
 * One hour of jobs, in order of arrival. Their durations are made up as those of the source were: log-normal, median
 * 150 s, mean about 222 s, at least 5 s.
 */
export function jobArrivals(): readonly ArrivingJob[] {
  const random = seededRandom(2025)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const jobs = submitted.flatMap((count, index) =>
    Array.from({ length: count }, () => ({
      atMs: (index + random()) * 10_000,
      durationMs: Math.max(5000, 150_000 * Math.exp(0.885 * normal())),
    })),
  )
  return jobs.toSorted((one, other) => one.atMs - other.atMs)
}
