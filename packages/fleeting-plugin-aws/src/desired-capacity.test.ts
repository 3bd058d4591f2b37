import type { Activity, AutoScalingGroup, Instance } from '@aws-sdk/client-auto-scaling'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loweredCapacity, missingOf, roomOf, surplusOf } from './desired-capacity.ts'
import { fillsCapacity } from './states.ts'

const instances = fc.array(
  fc.record({
    state: fc.constantFrom(
      'Pending',
      'Pending:Wait',
      'InService',
      'Terminating',
      'Standby',
      'Quarantined',
      'Warmed:Running',
      'NextYear',
    ),
    isProtected: fc.boolean(),
  }),
  { maxLength: 8 },
)
const world = fc.record({
  instances,
  desired: fc.nat(12),
  min: fc.nat(3),
  protectsNew: fc.boolean(),
  starting: fc.nat(4),
  count: fc.integer({ min: 1, max: 12 }),
})
type World = typeof world extends fc.Arbitrary<infer Value> ? Value : never

function groupOf({ instances: rows, desired, min, protectsNew }: World): AutoScalingGroup {
  return {
    MinSize: min,
    MaxSize: 12,
    DesiredCapacity: desired,
    NewInstancesProtectedFromScaleIn: protectsNew,
    Instances: rows.map(({ state, isProtected }, index): Instance => {
      const words = { LifecycleState: state as 'InService', HealthStatus: 'Healthy', AvailabilityZone: 'a' }
      return { InstanceId: `i-${index.toString(16)}`, ProtectedFromScaleIn: isProtected, ...words }
    }),
  } as unknown as AutoScalingGroup
}

const startingActivities = (count: number): readonly Activity[] =>
  Array.from({ length: count }, (_, index) => {
    return {
      ActivityId: String(index),
      Description: `Launching a new EC2 instance: i-f${index}`,
      StatusCode: 'InProgress',
    } as Activity
  })

describe('giving back the capacity of failed launches', () => {
  test('never lowers below what exists or starts, nor below the minimum, nor by more than asked, nor raises', () => {
    fc.assert(
      fc.property(world, (given) => {
        const group = groupOf(given)
        const { capacity, reason } = loweredCapacity(group, startingActivities(given.starting), given.count)
        expect(capacity).toBeLessThanOrEqual(given.desired)
        expect(capacity).toBeGreaterThanOrEqual(given.desired - given.count)
        if (capacity < given.desired) {
          expect(capacity).toBeGreaterThanOrEqual(group.Instances!.filter(fillsCapacity).length + given.starting)
          expect(capacity).toBeGreaterThanOrEqual(given.min)
        }
        expect(reason === undefined).toBe(capacity === given.desired - given.count)
      }),
    )
  })

  test('lowers nothing unless all that could work is protected', () => {
    fc.assert(
      fc.property(world, (given) => {
        const group = groupOf(given)
        const isBare = group.Instances!.some(
          (instance) => instance.LifecycleState === 'InService' && instance.ProtectedFromScaleIn === false,
        )
        fc.pre(isBare || !given.protectsNew)
        expect(loweredCapacity(group, [], given.count).capacity).toBe(given.desired)
      }),
    )
  })
})

test('what is missing, what is too much, and what has room', () => {
  fc.assert(
    fc.property(world, (given) => {
      const group = groupOf(given)
      const present = group.Instances!.filter(fillsCapacity).length
      expect(missingOf(group) - surplusOf(group)).toBe(given.desired - present)
      expect(Math.min(missingOf(group), surplusOf(group))).toBe(0)
      expect(roomOf(group)).toBe(Math.max(0, 12 - Math.max(given.desired, present)))
    }),
  )
})
