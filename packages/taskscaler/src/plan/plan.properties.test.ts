import { type LaunchState, launchAllowance, outstandingCount } from '@runner-core/fleeting/provisioner'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { empty, nothingKept, now, open } from '../../test/snapshots.ts'
import { plan, slotsPerInstance, wantedSlots } from './plan.ts'
import { idleTarget, type ResolvedPolicy } from './policy.ts'
import type { ScalingSnapshot } from './scaling-snapshot.ts'

const small = fc.integer({ min: 0, max: 20 })
const instant = fc.integer({ min: now - 600_000, max: now + 600_000 })
const placement = fc.option(fc.constantFrom('a', 'b'), { nil: undefined })

const launchStates: fc.Arbitrary<LaunchState> = fc.record({
  now: fc.constant(now),
  maxInstances: fc.integer({ min: 0, max: 60 }),
  maximumOf: fc.constantFrom('configuration' as const, 'group' as const),
  known: fc.integer({ min: 0, max: 70 }),
  outstanding: fc.array(
    fc.record({
      launchToken: fc.constant('token'),
      count: fc.integer({ min: 1, max: 9 }),
      reason: fc.constant(''),
      requestedAt: instant,
      phase: fc.constantFrom('queued' as const, 'accepted' as const),
    }),
    { maxLength: 3 },
  ),
  backoffs: fc.array(
    fc
      .record({
        code: fc.constantFrom('capacity' as const, 'transient' as const),
        failures: fc.integer({ min: 1, max: 9 }),
        until: instant,
        message: fc.constant('no stock'),
        placement,
      })
      .map(({ placement: at, ...backoff }) => ({ ...backoff, ...(at !== undefined && { placement: at }) })),
    { maxLength: 2 },
  ),
  breaker: fc.oneof(
    { weight: 4, arbitrary: fc.constant({ state: 'closed' as const }) },
    fc.record({
      state: fc.constantFrom('open' as const, 'half_open' as const),
      code: fc.constant('auth' as const),
      message: fc.constant('denied'),
      action: fc.constant('give the role RunInstances'),
      since: fc.constant(now),
      probeAt: fc.constant(now + 5000),
    }),
  ),
  throttle: fc.record({
    tokens: fc.double({ min: 0, max: 50, noNaN: true }),
    perSecond: fc.constantFrom(0.1, 10),
    burst: fc.constant(50),
  }),
  closed: fc.constantFrom(false, false, false, true),
})

const snapshots: fc.Arbitrary<ScalingSnapshot> = fc
  .record({
    capacityPerInstance: fc.integer({ min: 1, max: 8 }),
    maxUseCount: fc.constantFrom(0, 0, 1, 3),
    demand: fc.record({
      acquired: small,
      waiting: small,
      waitingForLabel: fc.integer({ min: 0, max: 6 }),
      reserved: small,
      queued: fc.array(fc.record({ source: fc.constant('q'), depth: small }), { maxLength: 2 }),
    }),
    idle: fc.array(
      fc.record({ idleSince: fc.integer({ min: now - 200_000, max: now }), slots: fc.integer({ min: 1, max: 8 }) }),
      {
        maxLength: 12,
      },
    ),
    otherwiseAvailable: small,
    pending: fc.integer({ min: 0, max: 6 }),
    condemned: fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 5 }),
    placements: fc.constantFrom([], ['a'], ['a', 'b']),
    launches: launchStates,
  })
  .map(({ idle, otherwiseAvailable, pending, condemned, demand, ...rest }) => ({
    ...rest,
    demand: { ...demand, waitingForLabel: Math.min(demand.waiting, Math.max(0, demand.waitingForLabel - 3)) },
    supply: {
      available: otherwiseAvailable + idle.reduce((sum, { slots }) => sum + slots, 0),
      pending,
      idle: idle
        .map((instance, index) => ({ id: `idle-${index}`, ...instance }))
        .sort((a, b) => a.idleSince - b.idleSince),
      condemned: condemned.map((inUse, index) => ({
        id: `condemned-${index}`,
        inUse,
        reason: 'a job may have left processes',
      })),
    },
  }))

const policies: fc.Arbitrary<ResolvedPolicy> = fc.record({
  periods: fc.constant(['* * * * *']),
  idleCount: fc.integer({ min: 0, max: 10 }),
  idleTimeMs: fc.constantFrom(0, 60_000, 150_000),
  scaleFactor: fc.constantFrom(0, 0.5, 2),
  scaleFactorLimit: fc.constantFrom(0, 5),
  preemptiveMode: fc.boolean(),
})

const increaseOf = (result: ReturnType<typeof plan>): number =>
  result.increase.reduce((sum, { count }) => sum + count, 0)

describe('plan, for any snapshot and policy', () => {
  test('never removes an instance with a job, nor one that was not shown as idle or condemned', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, policy) => {
        const { remove, drain } = plan(snapshot, policy, now)
        const removable = new Set(
          [...snapshot.supply.idle, ...snapshot.supply.condemned.filter(({ inUse }) => inUse === 0)].map(
            ({ id }) => id,
          ),
        )
        expect(remove.every(({ id }) => removable.has(id))).toBe(true)
        expect(new Set(remove.map(({ id }) => id)).size).toBe(remove.length)
        expect(drain.map(({ id }) => id)).toEqual(
          snapshot.supply.condemned.filter(({ inUse }) => inUse > 0).map(({ id }) => id),
        )
      }),
    )
  })

  test('never asks for more than max_instances minus all that is known and outstanding', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, policy) => {
        const { launches } = snapshot
        const asked = increaseOf(plan(snapshot, policy, now))
        expect(asked).toBeGreaterThanOrEqual(0)
        if (asked > 0)
          expect(asked + launches.known + outstandingCount(launches)).toBeLessThanOrEqual(launches.maxInstances)
      }),
    )
  })

  test('launches only what back-off, breaker and throttle allow, and says what holds the rest back', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, policy) => {
        const { increase, heldBack } = plan(snapshot, policy, now)
        for (const { placement: at, count } of increase)
          expect(count).toBeLessThanOrEqual(launchAllowance(snapshot.launches, at).count)
        const { available, pending } = snapshot.supply
        const slots = slotsPerInstance(snapshot)
        const coming =
          pending + outstandingCount(snapshot.launches) + increase.reduce((sum, { count }) => sum + count, 0)
        const unserved = Math.max(wantedSlots(snapshot, policy) - available, snapshot.demand.waitingForLabel ?? 0)
        const missing = Math.max(0, Math.ceil(unserved / slots) - coming)
        expect(heldBack?.count ?? 0).toBe(missing)
        if (heldBack?.until !== undefined) expect(heldBack.until).toBeGreaterThan(now)
        // No instance more than needed, however the numbers divide.
        if (increase.length > 0) expect((coming - 1) * slots).toBeLessThan(unserved)
      }),
    )
  })

  test('leaves what is wanted in ready slots, so that no plan grows after one that shrank', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, policy) => {
        const { remove, increase } = plan(snapshot, policy, now)
        const gone = new Set(remove.map(({ id }) => id))
        const shrunk = snapshot.supply.idle.filter(({ id }) => gone.has(id))
        if (shrunk.length === 0) return
        if (snapshot.demand.waitingForLabel === 0) expect(increase).toEqual([])
        const available = snapshot.supply.available - shrunk.reduce((sum, { slots }) => sum + slots, 0)
        expect(available).toBeGreaterThanOrEqual(wantedSlots(snapshot, policy) - snapshot.demand.waitingForLabel!)
        for (const later of [now, now + 50_000, now + 500_000]) {
          const after = {
            ...snapshot,
            supply: {
              ...snapshot.supply,
              available,
              idle: snapshot.supply.idle.filter(({ id }) => !gone.has(id)),
              pending: 0,
            },
          }
          const unshrunk = { ...snapshot, supply: { ...snapshot.supply, pending: 0 } }
          expect(increaseOf(plan(after, policy, later))).toBe(increaseOf(plan(unshrunk, policy, later)))
          if (snapshot.demand.waitingForLabel === 0) expect(increaseOf(plan(after, policy, later))).toBe(0)
        }
      }),
    )
  })

  test('removes nothing before its idle time, and at review time what it left for that reason', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, policy) => {
        const first = plan(snapshot, policy, now)
        const since = new Map(snapshot.supply.idle.map(({ id, idleSince }) => [id, idleSince]))
        for (const { id } of first.remove) {
          const idleSince = since.get(id)
          if (idleSince !== undefined) expect(now - idleSince).toBeGreaterThanOrEqual(policy.idleTimeMs)
        }
        expect(first.reviewAt).toBeGreaterThan(now)
        const before = plan(snapshot, policy, Math.min(first.reviewAt - 1, now + 1e7))
        expect(before.remove.map(({ id }) => id)).toEqual(first.remove.map(({ id }) => id))
      }),
    )
  })

  test('is pure: it changes nothing, the same snapshot gives the same plan, and every decision has a reason', () => {
    fc.assert(
      fc.property(snapshots, policies, (snapshot, policy) => {
        const result = plan(deepFreeze(snapshot), deepFreeze(policy), now)
        expect(plan(structuredClone(snapshot), policy, now)).toEqual(result)
        for (const { reason } of [...result.increase, ...result.drain, ...result.remove])
          expect(reason.length).toBeGreaterThan(5)
      }),
    )
  })
})

describe('a fleet that follows its plans', () => {
  test('converges, then stays still, and is empty without demand', () => {
    const demands = fc.record({ waiting: small, reserved: small, depth: small })
    fc.assert(
      fc.property(
        demands,
        demands,
        policies,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 60 }),
        (first, second, policy, capacity, max) => {
          const fleet = new PlannedFleet(capacity, max)
          for (const demand of [first, second, { waiting: 0, reserved: 0, depth: 0 }]) {
            fleet.follow(demand, policy, 30)
            expect(fleet.follow(demand, policy, 30)).toBe(0)
            const wanted = demand.waiting + demand.reserved + demand.depth + idleTarget(policy, 0)
            expect(fleet.instances).toBe(Math.min(max, Math.ceil(wanted / capacity)))
          }
          fleet.follow({ waiting: 0, reserved: 0, depth: 0 }, nothingKept, 30)
          expect(fleet.instances).toBe(0)
        },
      ),
    )
  })
})

/** The simplest world: what is asked for is ready a step later, what is removed is gone. Steps are a minute. */
class PlannedFleet {
  readonly #capacity: number
  readonly #max: number
  #idleSince: number[] = []
  #pending = 0
  #time = now

  constructor(capacity: number, max: number) {
    this.#capacity = capacity
    this.#max = max
  }

  get instances(): number {
    return this.#idleSince.length + this.#pending
  }

  /** Answers how many decisions were made. */
  follow(demand: { waiting: number; reserved: number; depth: number }, policy: ResolvedPolicy, steps: number): number {
    let decisions = 0
    for (let step = 0; step < steps; step++) {
      const { increase, remove } = plan(this.#snapshot(demand), policy, this.#time)
      decisions += increase.length + remove.length
      for (let ready = 0; ready < this.#pending; ready++) this.#idleSince.push(this.#time)
      this.#pending = increase.reduce((sum, { count }) => sum + count, 0)
      const gone = new Set(remove.map(({ id }) => Number(id)))
      this.#idleSince = this.#idleSince.filter((_, index) => !gone.has(index))
      this.#time += 60_000
    }
    return decisions
  }

  #snapshot({ waiting, reserved, depth }: { waiting: number; reserved: number; depth: number }): ScalingSnapshot {
    return {
      ...empty,
      capacityPerInstance: this.#capacity,
      demand: { acquired: 0, waiting, reserved, queued: [{ source: 'q', depth }] },
      supply: {
        available: this.#idleSince.length * this.#capacity,
        pending: this.#pending,
        idle: this.#idleSince.map((idleSince, index) => ({ id: String(index), idleSince, slots: this.#capacity })),
        condemned: [],
      },
      launches: { ...open, maxInstances: this.#max, known: this.instances },
    }
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(Object.freeze(value))) deepFreeze(inner)
  return value
}
