import type { AutoscalerSettings } from '../config/settings.ts'

/** Upper bounds of the buckets of a fleet's histograms, seconds, ascending. */
export interface FleetBuckets {
  readonly creation: readonly number[]
  readonly running: readonly number[]
  readonly deletion: readonly number[]
  readonly readiness: readonly number[]
  readonly life: readonly number[]
}

export type BucketSettings = Pick<
  AutoscalerSettings,
  | 'instanceOperationTimeBuckets'
  | 'instanceCreationTimeBuckets'
  | 'instanceIsRunningTimeBuckets'
  | 'instanceDeletionTimeBuckets'
  | 'instanceReadinessTimeBuckets'
  | 'instanceLifeDurationBuckets'
>

const operationSeconds = [0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200]
const lifeSeconds = [60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400]

/**
 * A metric has the same buckets for all runners here, so it gets those that any of them wants; one that says nothing
 * wants the defaults.
 */
export function fleetBuckets(runners: readonly BucketSettings[]): FleetBuckets {
  const united = (
    wanted: (runner: BucketSettings) => readonly number[] | undefined,
    byDefault: readonly number[],
  ): readonly number[] => {
    const all = runners.length === 0 ? byDefault : runners.flatMap((runner) => wanted(runner) ?? byDefault)
    return [...new Set(all)].sort((one, other) => one - other)
  }
  const operation = (own: Exclude<keyof BucketSettings, 'instanceLifeDurationBuckets'>): readonly number[] =>
    united((runner) => runner[own] ?? runner.instanceOperationTimeBuckets, operationSeconds)
  return {
    creation: operation('instanceCreationTimeBuckets'),
    running: operation('instanceIsRunningTimeBuckets'),
    deletion: operation('instanceDeletionTimeBuckets'),
    readiness: operation('instanceReadinessTimeBuckets'),
    life: united(({ instanceLifeDurationBuckets }) => instanceLifeDurationBuckets, lifeSeconds),
  }
}
