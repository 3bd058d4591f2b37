import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { admitCalls, type BudgetOperation, listPatienceMs, type WaitingCall } from './admit-calls.ts'
import { afterThrottling, type BucketLimits, fullBucket, refilled, waitFor } from './budget-bucket.ts'

const operations: readonly BudgetOperation[] = ['decrease', 'increase', 'list', 'connectInfo']
const limits: Readonly<Record<string, BucketLimits>> = {
  read: { size: 20, perSecond: 2 },
  write: { size: 5, perSecond: 0.5 },
}
const names = Object.keys(limits)

const draws = fc.oneof(
  fc.record({ read: fc.nat(8) }),
  fc.record({ write: fc.nat(9) }),
  fc.record({ read: fc.nat(3), write: fc.nat(3), unpublished: fc.nat(3) }),
)
const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('ask' as const), operation: fc.constantFrom(...operations), draws }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(30_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('throttle' as const), name: fc.constantFrom(...names) }) },
)

describe('the call budget', () => {
  it('never draws beyond a bucket as published, and lets nobody wait who need not', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let now = 0
        let waiting: WaitingCall[] = []
        let buckets = Object.fromEntries(names.map((name) => [name, fullBucket(limits[name]!, 0)]))
        /** The cloud's own books. */
        const cloud = Object.fromEntries(names.map((name) => [name, { tokens: limits[name]!.size, at: 0 }]))
        for (const action of events) {
          if (action.do === 'pass') now += action.ms
          else if (action.do === 'throttle')
            buckets = { ...buckets, [action.name]: afterThrottling(buckets[action.name]!, limits[action.name]!, now) }
          else waiting.push({ operation: action.operation, draws: action.draws, askedAt: now })
          const { admitted, buckets: after, nextAt } = admitCalls(waiting, buckets, limits, now)
          waiting = waiting.filter((call) => !admitted.includes(call))
          buckets = { ...after }
          expect(nextAt).toBeGreaterThan(now)
          if (waiting.length > 0) expect(nextAt).toBeLessThan(Number.POSITIVE_INFINITY)
          for (const call of admitted) {
            for (const [name, cost] of Object.entries(call.draws)) {
              const book = cloud[name]
              if (book === undefined) continue
              const { size, perSecond } = limits[name]!
              book.tokens = Math.min(size, book.tokens + ((now - book.at) / 1000) * perSecond) - Math.min(cost, size)
              book.at = now
              expect(book.tokens).toBeGreaterThanOrEqual(-1e-6)
            }
          }
        }
      }),
    )
  })

  it('a decrease waits for its own cost, and for one overdue list at most, however many others ask', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom<BudgetOperation>('increase', 'list', 'connectInfo'), { maxLength: 200 }),
        fc.nat(20),
        fc.integer({ min: 1, max: 4 }),
        (others, start, cost) => {
          const one = { read: { size: 20, perSecond: 2 } }
          let waiting: WaitingCall[] = others.map((operation) => ({ operation, draws: { read: 1 }, askedAt: 0 }))
          const decrease: WaitingCall = { operation: 'decrease', draws: { read: cost }, askedAt: 0 }
          waiting.push(decrease)
          let buckets: Parameters<typeof admitCalls>[1] = { read: { ...fullBucket(one.read, 0), tokens: start } }
          for (let now = 0; ; ) {
            const { admitted, buckets: after, nextAt } = admitCalls(waiting, buckets, one, now)
            if (admitted.includes(decrease)) {
              expect(now).toBeLessThanOrEqual(Math.max(0, (cost - start) / 2) * 1000 + 1)
              return
            }
            // What matters less is not let past it.
            expect(admitted).toEqual([])
            buckets = after
            waiting = waiting.filter((call) => !admitted.includes(call))
            now = nextAt
          }
        },
      ),
    )
  })

  it('leaves shares of a bucket that runs low to what matters more', () => {
    const left = (tokens: number) => {
      const buckets = { read: { ...fullBucket(limits['read']!, 0), tokens }, write: fullBucket(limits['write']!, 0) }
      return operations.filter(
        (operation) =>
          admitCalls([{ operation, draws: { read: 1 }, askedAt: 0 }], buckets, limits, 0).admitted.length === 1,
      )
    }
    expect(left(20)).toEqual(['decrease', 'increase', 'list', 'connectInfo'])
    expect(left(10)).toEqual(['decrease', 'increase', 'list'])
    expect(left(5)).toEqual(['decrease', 'increase'])
    expect(left(2)).toEqual(['decrease'])
    expect(left(0.5)).toEqual([])
  })

  it('a list that has waited long goes first', () => {
    const buckets = { read: { ...fullBucket(limits['read']!, 0), tokens: 1 }, write: fullBucket(limits['write']!, 0) }
    const calls: WaitingCall[] = [
      { operation: 'decrease', draws: { read: 4 }, askedAt: 0 },
      { operation: 'list', draws: { read: 1 }, askedAt: 0 },
    ]
    expect(admitCalls(calls, buckets, limits, 0)).toMatchObject({ admitted: [], nextAt: 1500 })
    const late = { ...buckets, read: { ...buckets.read, at: listPatienceMs } }
    expect(admitCalls(calls, late, limits, listPatienceMs).admitted).toEqual([calls[1]])
  })
})

describe('a bucket after throttling', () => {
  it('is empty, fills at half the rate, and at the full rate again after a calm minute', () => {
    const one = { size: 100, perSecond: 1 }
    const strained = afterThrottling(fullBucket(one, 0), one, 0)
    expect(refilled(strained, one, 10_000).tokens).toBe(5)
    const calmed = refilled(strained, one, 60_000)
    expect(calmed).toMatchObject({ tokens: 30, strain: 0 })
    expect(refilled(calmed, one, 70_000).tokens).toBe(40)
  })

  it('leaves no share to what matters more until it is half full', () => {
    const one = { size: 100, perSecond: 1 }
    const strained = afterThrottling(fullBucket(one, 0), one, 0)
    expect(waitFor(refilled(strained, one, 2000), one, 1, 0.5)).toBe(0)
    const later = refilled(refilled(strained, one, 60_000), one, 90_000)
    expect(waitFor(later, one, 1, 0.5)).toBe(0)
    expect(waitFor({ ...later, tokens: 49 }, one, 1, 0.5)).toBe(2000)
  })

  it('keeps the longest hint of one wave, and a hint of nothing is a second', () => {
    const one = { size: 100, perSecond: 1 }
    const first = afterThrottling(fullBucket(one, 0), one, 0, 0)
    expect(first.trialAt).toBe(1000)
    expect(afterThrottling(first, one, 500, 9000).trialAt).toBe(9500)
    expect(afterThrottling(afterThrottling(first, one, 500, 9000), one, 600, 10).trialAt).toBe(9500)
    expect(afterThrottling(first, one, 500).trialAt).toBe(1000)
  })

  it('refusals at once are one', () => {
    const one = { size: 100, perSecond: 1 }
    const first = afterThrottling(fullBucket(one, 0), one, 0)
    expect(afterThrottling(first, one, 500).strain).toBe(1)
    expect(afterThrottling(first, one, 2000).strain).toBe(2)
  })
})
