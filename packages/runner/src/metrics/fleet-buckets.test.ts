import { expect, test } from 'vitest'
import { fleetBuckets } from './fleet-buckets.ts'

test('an own key wins over the one for all operations, which is not for lives', () => {
  const { creation, deletion, life } = fleetBuckets([
    { instanceOperationTimeBuckets: [3, 1], instanceDeletionTimeBuckets: [7] },
  ])
  expect({ creation, deletion }).toEqual({ creation: [1, 3], deletion: [7] })
  expect(life).toEqual(fleetBuckets([]).life)
})

test('a metric has the buckets of all runners, each once, and the defaults where one says nothing', () => {
  const { life, readiness } = fleetBuckets([
    { instanceLifeDurationBuckets: [50, 10], instanceReadinessTimeBuckets: [4] },
    { instanceLifeDurationBuckets: [10, 20] },
  ])
  expect(life).toEqual([10, 20, 50])
  expect(readiness).toEqual([...fleetBuckets([]).readiness, 4].toSorted((one, other) => one - other))
})
