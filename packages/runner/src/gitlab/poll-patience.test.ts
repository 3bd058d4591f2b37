import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type PollTimes, pollPatienceMs, withPoll } from './poll-patience.ts'

const parked = { mayPark: true, maxMs: 600_000 }

test('the first request is waited for a minute longer than GitLab parks it', () => {
  expect(pollPatienceMs([], parked)).toBe(110_000)
  expect(pollPatienceMs([], { ...parked, mayPark: false })).toBe(60_000)
})

test('a server that takes longer is waited for twice as long, and no longer once it is as fast as others', () => {
  let times: PollTimes = withPoll([], 120_000)
  expect(pollPatienceMs(times, parked)).toBe(240_000)
  for (let count = 0; count < 8; count++) times = withPoll(times, 50_000)
  expect(pollPatienceMs(times, parked)).toBe(110_000)
})

test('the patience is never below what the last answers took, and never above its maximum', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1_000_000)),
      fc.boolean(),
      fc.integer({ min: 1, max: 600_000 }),
      (all, mayPark, maxMs) => {
        const times = all.reduce<PollTimes>(withPoll, [])
        expect(times).toEqual(all.slice(-8))
        const patience = pollPatienceMs(times, { mayPark, maxMs })
        expect(patience).toBeLessThanOrEqual(maxMs)
        expect(patience).toBeGreaterThanOrEqual(Math.min(maxMs, Math.max(60_000, ...times)))
      },
    ),
  )
})
