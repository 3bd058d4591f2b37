import fc from 'fast-check'
import { expect, it } from 'vitest'
import { refill, type TokenBucket } from './launch-throttle.ts'

it('lets through no more than the burst and the rate allow, over any time, and what it allows', () => {
  const limits = fc.record({
    perSecond: fc.double({ min: 0.01, max: 50, noNaN: true }),
    burst: fc.integer({ min: 1, max: 20 }),
  })
  const moments = fc.array(fc.record({ passMs: fc.nat(5000), want: fc.nat(30) }), { maxLength: 50 })
  fc.assert(
    fc.property(limits, moments, (limit, steps) => {
      let bucket: TokenBucket = { tokens: limit.burst, at: 0 }
      let now = 0
      let taken = 0
      for (const { passMs, want } of steps) {
        now += passMs
        bucket = refill(bucket, limit, now)
        const take = Math.min(want, Math.floor(bucket.tokens))
        bucket = { ...bucket, tokens: bucket.tokens - take }
        taken += take
        expect(bucket.tokens).toBeGreaterThanOrEqual(0)
        expect(bucket.tokens).toBeLessThanOrEqual(limit.burst)
        expect(taken).toBeLessThanOrEqual(limit.burst + (now / 1000) * limit.perSecond + 1e-6)
      }
      expect(refill(bucket, limit, now + (limit.burst / limit.perSecond) * 1000 + 1).tokens).toBeCloseTo(limit.burst)
    }),
  )
})

it('knows fractions of one per second, and no limit', () => {
  expect(refill({ tokens: 0, at: 0 }, { perSecond: 0.1, burst: 5 }, 25_000).tokens).toBeCloseTo(2.5)
  expect(refill({ tokens: 0, at: 0 }, { perSecond: Infinity, burst: 5 }, 0).tokens).toBe(5)
  expect(refill({ tokens: 1, at: 1000 }, { perSecond: 1, burst: 5 }, 0).tokens).toBe(1)
})
