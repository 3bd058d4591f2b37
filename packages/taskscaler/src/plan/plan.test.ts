import type { LaunchState } from '@runner-core/fleeting/provisioner'
import { describe, expect, test } from 'vitest'
import { empty, nothingKept, now, open } from '../../test/snapshots.ts'
import { plan } from './plan.ts'
import type { ScalingSnapshot } from './scaling-snapshot.ts'

describe('plan', () => {
  const withDemand = (
    demand: Partial<ScalingSnapshot['demand']>,
    supply: Partial<ScalingSnapshot['supply']> = {},
    rest: Partial<ScalingSnapshot> = {},
  ): ScalingSnapshot => ({
    ...empty,
    ...rest,
    demand: { ...empty.demand, ...demand },
    supply: { ...empty.supply, ...supply },
  })

  test('an increase says what for', () => {
    const snapshot = withDemand(
      { waiting: 3, reserved: 1, queued: [{ source: 'gitlab', depth: 5 }], acquired: 4 },
      { available: 2, pending: 1 },
      { capacityPerInstance: 4 },
    )
    expect(plan(snapshot, { ...nothingKept, idleCount: 2, scaleFactor: 1 }, now)).toEqual({
      increase: [
        {
          count: 2,
          reason:
            'free slots wanted: 13 (3 for waiting jobs, 1 reserved, 5 queued in gitlab, 4 to keep idle); ready: 2; instances starting: 1',
        },
      ],
      drain: [],
      remove: [],
      reviewAt: Number.POSITIVE_INFINITY,
    })
  })

  test('an instance is made for each job that wants none of another label, whatever is ready', () => {
    const demand = { acquired: 0, waiting: 3, waitingForLabel: 2, reserved: 0, queued: [] }
    const { increase } = plan({ ...empty, demand, supply: { ...empty.supply, available: 5 } }, nothingKept, now)
    const reason =
      'free slots wanted: 3 (3 for waiting jobs); ready: 5; instances starting: 0; jobs that no ready slot suits: 2'
    expect(increase).toEqual([{ count: 2, reason }])
    expect(
      plan({ ...empty, demand, supply: { ...empty.supply, available: 5, pending: 2 } }, nothingKept, now).increase,
    ).toEqual([])
  })

  test('an idle instance is removed although a job waits that does not want it', () => {
    const idle = [{ id: 'old', idleSince: now - 300_000, slots: 1 }]
    const demand = { acquired: 0, waiting: 1, waitingForLabel: 1, reserved: 0, queued: [] }
    const snapshot = { ...empty, demand, supply: { ...empty.supply, available: 1, idle } }
    expect(plan(snapshot, nothingKept, now).remove.map(({ id }) => id)).toEqual(['old'])
  })

  test('an instance brings the slots of its placement, one that is asked for or seen too', () => {
    const capacities = { small: 1 }
    const placements = ['small', 'large']
    const more = { capacityPerInstance: 4, capacities, placements }
    expect(increaseOf(plan(withDemand({ waiting: 6 }, {}, more), nothingKept, now))).toBe(6)
    expect(
      increaseOf(plan(withDemand({ waiting: 6 }, {}, { ...more, placements: ['large', 'small'] }), nothingKept, now)),
    ).toBe(2)
    const launch = { launchToken: 't', reason: '', requestedAt: now, phase: 'accepted' } as const
    const launches = {
      ...open,
      outstanding: [
        { ...launch, placement: 'small', count: 2 },
        { ...launch, placement: 'large', count: 1 },
      ],
    }
    expect(
      increaseOf(
        plan(withDemand({ waiting: 12 }, { pending: 2, pendingSlots: 5 }, { ...more, launches }), nothingKept, now),
      ),
    ).toBe(1)
    // A group that says nonsense does not give more than the fleet allows.
    const nonsense = { small: Number.NaN, large: 100 }
    expect(increaseOf(plan(withDemand({ waiting: 8 }, {}, { ...more, capacities: nonsense }), nothingKept, now))).toBe(
      2,
    )
  })

  test('an instance that may be used only twice brings two slots, whatever its capacity', () => {
    expect(
      increaseOf(plan(withDemand({ waiting: 6 }, {}, { capacityPerInstance: 4, maxUseCount: 2 }), nothingKept, now)),
    ).toBe(3)
  })

  test('the second placement is taken while the first one backs off', () => {
    const launches: LaunchState = {
      ...open,
      backoffs: [{ placement: 'a', code: 'capacity', failures: 1, until: now + 1, message: 'none' }],
    }
    expect(
      plan(withDemand({ waiting: 1 }, {}, { placements: ['a', 'b'], launches }), nothingKept, now).increase,
    ).toMatchObject([{ placement: 'b', count: 1 }])
    expect(plan(withDemand({ waiting: 1 }, {}, { placements: ['a', 'b'] }), nothingKept, now).increase).toMatchObject([
      { placement: 'a', count: 1 },
    ])
  })

  test('what is held back is explained', () => {
    const heldBack = (launches: Partial<LaunchState>): unknown =>
      plan(withDemand({ waiting: 5 }, {}, { launches: { ...open, ...launches } }), nothingKept, now).heldBack
    expect(heldBack({ maxInstances: 3, known: 1 })).toEqual({
      count: 3,
      blockedBy: 'max_instances',
      reason: 'max_instances 3 is reached: existing: 1, requested: 0',
    })
    expect(heldBack({ maxInstances: 3, maximumOf: 'group', known: 1 })).toMatchObject({
      reason: "the group's own maximum of 3 is reached: existing: 1, requested: 0",
    })
    expect(heldBack({ throttle: { tokens: 2.5, perSecond: 0.5, burst: 10 } })).toEqual({
      count: 3,
      blockedBy: 'throttle',
      until: now + 1000,
      reason: 'launches are throttled to 0.5 per second, next try in 1 s',
    })
    expect(
      heldBack({
        backoffs: [{ code: 'capacity', failures: 2, until: now + 65_000, message: 'no c5.large in zone a' }],
      }),
    ).toEqual({
      count: 5,
      blockedBy: 'backoff',
      until: now + 65_000,
      reason: 'launches back off after 2 failures (capacity: no c5.large in zone a), next try in 1 min 5 s',
    })
    const breaker = {
      state: 'open',
      code: 'auth',
      message: 'not allowed',
      action: 'allow ec2:RunInstances',
      since: now,
      probeAt: now + 300_000,
    } as const
    expect(heldBack({ breaker })).toMatchObject({
      blockedBy: 'breaker',
      reason: 'launches are stopped (auth: not allowed): allow ec2:RunInstances, next try in 5 min',
    })
    expect(heldBack({ breaker: { ...breaker, state: 'half_open' } })).toMatchObject({
      count: 4,
      reason:
        'launches are on trial, one instance at a time, until one works (auth: not allowed): allow ec2:RunInstances',
    })
    expect(heldBack({ closed: true })).toMatchObject({ blockedBy: 'closed' })
  })

  test('a removal says how long it was idle and what remains', () => {
    const idle = [
      { id: 'old', idleSince: now - 300_000, slots: 2 },
      { id: 'young', idleSince: now - 1_000, slots: 2 },
    ]
    const { remove, reviewAt } = plan(withDemand({}, { available: 4, idle }), nothingKept, now)
    expect(remove).toEqual([{ id: 'old', reason: 'idle for 5 min; ready slots that would remain: 2, wanted: 0' }])
    expect(reviewAt).toBe(now + 59_000)
  })
})

function increaseOf({ increase }: ReturnType<typeof plan>): number {
  return increase.reduce((sum, { count }) => sum + count, 0)
}
