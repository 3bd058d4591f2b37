import fc from 'fast-check'
import { expect, test } from 'vitest'
import { firstPace, nextPace, type PaceRules, type PollPace, type PollResult } from './poll-pace.ts'

const rules: PaceRules = {
  strictCheckInterval: false,
  checkIntervalMs: 3_000,
  requestConcurrency: 4,
  unhealthyRequestsLimit: 3,
  unhealthyIntervalMs: 3_600_000,
}
const at = { startedAt: 1_000, now: 1_200 }
const after = (...results: readonly PollResult[]): PollPace =>
  results.reduce((pace, result, index) => {
    const before = (results.length - 1 - index) * 1_000
    return nextPace(pace, { result }, { startedAt: at.startedAt - before, now: at.now - before }, rules)
  }, firstPace)

test('after a job the next request goes at once, and one more may be in flight, up to request_concurrency', () => {
  expect(after('job')).toMatchObject({ limit: 2, nextAt: 1_200 })
  expect(after('job', 'job', 'job', 'job', 'job').limit).toBe(4)
})

test('without a job, requests begin one check interval apart, and fewer are in flight', () => {
  expect(after('none')).toMatchObject({ limit: 1, nextAt: 4_000 })
  expect(after('job', 'job', 'job', 'none').limit).toBe(2)
  expect(nextPace(firstPace, { result: 'none' }, { startedAt: 1_000, now: 51_000 }, rules).nextAt).toBeLessThan(51_000)
})

test('where it is worth it the next request goes at once; but a server that always says so and never parks is not flooded', () => {
  const waits = (count: number, tookMs: number): readonly number[] => {
    let pace: PollPace = { ...firstPace, nextAt: 1_000 }
    return Array.from({ length: count }, () => {
      const startedAt = pace.nextAt
      const now = startedAt + tookMs
      pace = nextPace(pace, { result: 'none', askAgain: true }, { startedAt, now }, rules)
      return pace.nextAt - now
    })
  }
  expect(waits(14, 5)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 700, 745, 745, 745])
  expect(new Set(waits(100, 50_000))).toEqual(new Set([0]))
})

test('after a conflict the next request goes soon', () => {
  expect(after('job', 'conflict')).toMatchObject({ limit: 2, nextAt: 1_300 })
  expect(nextPace(firstPace, { result: 'conflict' }, at, { ...rules, checkIntervalMs: 10 }).nextAt).toBe(1_210)
})

test('failures back off, doubling, to a minute; any answer ends it', () => {
  const waits = [1, 2, 3, 4, 5, 6, 7].map((count) => after(...Array<PollResult>(count).fill('failed')).nextAt - at.now)
  expect(waits).toEqual([3_000, 6_000, 12_000, 24_000, 48_000, 60_000, 60_000])
  expect(after('failed', 'failed', 'none').failures).toBe(0)
  expect(nextPace(firstPace, { result: 'failed' }, at, { ...rules, checkIntervalMs: 90_000 }).nextAt).toBe(91_200)
})

test('three refusals in a row pause the runner for its unhealthy interval, and so does each one after that', () => {
  expect(after('refused', 'refused').paused).toBe(false)
  expect(after('refused', 'refused', 'refused')).toMatchObject({ paused: true, nextAt: 3_601_200 })
  expect(after('refused', 'refused', 'failed', 'refused').paused).toBe(false)
  expect(after('refused', 'refused', 'none', 'refused').paused).toBe(false)
  expect(after('refused', 'refused', 'refused', 'refused')).toMatchObject({ paused: true, nextAt: 3_601_200 })
  expect(after('refused', 'refused', 'refused', 'none')).toMatchObject({ paused: false, refusals: 0 })
})

test('a pause is never shorter than the wait after failures, so an unhealthy interval of 0 floods no server', () => {
  const short = { ...rules, unhealthyIntervalMs: 0 }
  let pace = firstPace
  const waits = Array.from({ length: 6 }, () => {
    const now = pace.nextAt + 1_000
    pace = nextPace(pace, { result: 'refused' }, { startedAt: now, now }, short)
    return pace.nextAt - now
  })
  expect(waits).toEqual([3_000, 6_000, 12_000, 24_000, 48_000, 60_000])
})

test('requests that fail together count once; the next one counts again', () => {
  const together = (result: PollResult, pace: PollPace, startedAt: number): PollPace =>
    [50, 50, 60, 70].reduce(
      (each, tookMs) => nextPace(each, { result }, { startedAt, now: startedAt + tookMs }, rules),
      pace,
    )
  const failed = together('failed', firstPace, 1_000)
  expect(failed).toMatchObject({ failures: 1, nextAt: 4_050 })
  expect(together('failed', failed, 4_050)).toMatchObject({ failures: 2, nextAt: 10_100 })
  const refused = together('refused', together('refused', firstPace, 1_000), 5_000)
  expect(refused).toMatchObject({ refusals: 2, paused: false })
  expect(together('refused', refused, 12_000)).toMatchObject({
    paused: true,
    nextAt: 12_050 + rules.unhealthyIntervalMs,
  })
})

test('whatever comes, the limit stays within bounds and no wait is endless', () => {
  const result = fc.constantFrom<PollResult>('job', 'none', 'conflict', 'refused', 'failed')
  fc.assert(
    fc.property(fc.array(result, { maxLength: 2_000 }), (results) => {
      const { limit, nextAt } = after(...results)
      expect(limit).toBeGreaterThanOrEqual(1)
      expect(limit).toBeLessThanOrEqual(rules.requestConcurrency)
      expect(nextAt).toBeLessThanOrEqual(at.now + rules.unhealthyIntervalMs)
    }),
  )
})

test('with a strict interval, each request waits for it, also after a job and where the server parks requests', () => {
  const strict = { ...rules, strictCheckInterval: true }
  const at = { startedAt: 1_000, now: 1_100 }
  const { nextAt, limit } = nextPace(firstPace, { result: 'job' }, at, strict)
  expect({ nextAt, limit }).toEqual({ nextAt: 1_000 + rules.checkIntervalMs, limit: 1 })
  expect(nextPace(firstPace, { result: 'none', askAgain: true }, at, strict).nextAt).toBe(1_000 + rules.checkIntervalMs)
})
