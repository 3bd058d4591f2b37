import type { LaunchState } from '@runner-core/fleeting/provisioner'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Pipeline, promiseDate } from './promise-date.ts'
import { ReadyTimes } from './ready-times.ts'

const now = 1_000_000
const launches: LaunchState = {
  now,
  maxInstances: 100,
  maximumOf: 'configuration',
  known: 2,
  outstanding: [],
  backoffs: [],
  breaker: { state: 'closed' },
  throttle: { tokens: 2, perSecond: 0.1, burst: 10 },
  closed: false,
}
const pipeline: Pipeline = {
  begunAt: [now - 40_000, now - 10_000],
  slotsPerInstance: 2,
  readyMs: 60_000,
  launches,
  placements: [],
  capMs: 600_000,
}
const after = (position: number, changed: Partial<Pipeline> = {}): number =>
  promiseDate(position, { ...pipeline, ...changed }, now) - now

describe('promiseDate', () => {
  test('follows the instances being made, then the launches that the throttle allows', () => {
    expect([0, 1, 2, 3].map((position) => after(position))).toEqual([20_000, 20_000, 50_000, 50_000])
    expect([4, 6, 8, 10].map((position) => after(position))).toEqual([60_000, 60_000, 70_000, 80_000])
  })

  test('waits for back-off, and does not guess when there is no room', () => {
    const backoffs = [{ code: 'capacity', failures: 1, until: now + 90_000, message: '' }] as const
    expect(after(4, { launches: { ...launches, backoffs } })).toBe(150_000)
    expect(after(4, { launches: { ...launches, maxInstances: 2 } })).toBe(600_000)
    expect(after(8, { launches: { ...launches, maxInstances: 4 } })).toBe(600_000)
  })

  test('expects what is late as if it began now, but not too soon', () => {
    expect(after(0, { begunAt: [now - 70_000] })).toBe(60_000)
    expect(after(0, { begunAt: [now - 70_000], readyMs: 5_000 })).toBe(30_000)
    expect(after(0, { begunAt: [now], readyMs: 5_000 })).toBe(5_000)
  })

  test('assumes two minutes before anything was observed', () => {
    expect(after(0, { begunAt: [now], readyMs: undefined })).toBe(120_000)
  })

  test('is never in the past, never beyond the cap, and never earlier for who comes later', () => {
    const pipelines = fc.record({
      begunAt: fc
        .array(fc.integer({ min: now - 500_000, max: now }), { maxLength: 5 })
        .map((all) => all.sort((a, b) => a - b)),
      slotsPerInstance: fc.integer({ min: 1, max: 4 }),
      readyMs: fc.option(fc.integer({ min: 0, max: 1_000_000 }), { nil: undefined }),
      launches: fc
        .record({ maxInstances: fc.integer({ min: 0, max: 9 }), tokens: fc.double({ min: 0, max: 5, noNaN: true }) })
        .map(({ maxInstances, tokens }) => ({ ...launches, maxInstances, throttle: { ...launches.throttle, tokens } })),
      placements: fc.constant([]),
      capMs: fc.integer({ min: 1, max: 600_000 }),
    })
    fc.assert(
      fc.property(pipelines, fc.nat(30), (random, position) => {
        const date = promiseDate(position, random, now)
        expect(date).toBeGreaterThan(now)
        expect(date).toBeLessThanOrEqual(now + random.capMs)
        const nothingIsLate = random.begunAt.every((begunAt) => begunAt + (random.readyMs ?? 120_000) > now)
        if (nothingIsLate && (random.readyMs ?? 1) > 0)
          expect(promiseDate(position + 1, random, now)).toBeGreaterThanOrEqual(date)
      }),
    )
  })
})

describe('ReadyTimes', () => {
  test('is the 90th percentile of the last 32: one slow instance moves it little, a slower cloud soon shows', () => {
    const times = new ReadyTimes()
    expect(times.estimateMs).toBeUndefined()
    times.observe(500)
    expect(times.estimateMs).toBe(500)
    for (let second = 1; second <= 31; second++) times.observe(second * 10)
    expect(times.estimateMs).toBe(290)
    for (let more = 0; more < 4; more++) times.observe(9_000)
    expect(times.estimateMs).toBe(9_000)
  })
})
