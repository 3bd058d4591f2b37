import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GroupError, groupErrorCodes } from '../contract/errors.ts'
import { afterProof, afterRefusal, allowedAtOnce, openAvailability } from './availability.ts'

const minute = 60_000
const stockOut = new GroupError('capacity', 'none left')
const refused = (before = openAvailability, now = 0) => afterRefusal(before, stockOut, now, 5 * minute)

describe('after a refusal for want of capacity', () => {
  it('nothing goes there for the time to live', () => {
    const closed = refused()
    expect(allowedAtOnce(closed, 5 * minute - 1)).toBe(0)
    expect(allowedAtOnce(closed, 5 * minute)).toBe(1)
  })

  it('a first success does not open it: 1, 2, then all', () => {
    let trial = refused()
    const later = 6 * minute
    trial = afterProof(trial, 1, later)
    expect(allowedAtOnce(trial, later)).toBe(2)
    trial = afterProof(trial, 1, later)
    expect(allowedAtOnce(trial, later)).toBe(4)
    expect(allowedAtOnce(afterProof(trial, 1, later), later)).toBe(Number.POSITIVE_INFINITY)
  })

  it('what runs while it is closed, because it was accepted before, proves nothing', () => {
    const closed = refused()
    expect(afterProof(closed, 100, minute)).toBe(closed)
  })

  it('refusals of one wave count once; a refused trial waits twice as long', () => {
    const closed = refused()
    expect(refused(closed, minute)).toBe(closed)
    const again = refused(afterProof(closed, 2, 6 * minute), 6 * minute)
    expect(again).toMatchObject({ failures: 2, until: 16 * minute, proven: 0 })
  })
})

it('a hint of the cloud is not undercut, nor believed beyond an hour', () => {
  const hinted = (retryAfterMs: number) =>
    afterRefusal(openAvailability, new GroupError('quota', 'full', { retryAfterMs }), 0, minute).until
  expect(hinted(7 * minute)).toBe(7 * minute)
  expect(hinted(900 * minute)).toBe(60 * minute)
})

it('too many calls, or a broken network, need no trial', () => {
  for (const code of ['throttled', 'transient', 'conflict', 'not_ready'] as const) {
    const closed = afterRefusal(openAvailability, new GroupError(code, 'x'), 0, 5 * minute)
    expect(allowedAtOnce(closed, 14_999)).toBe(0)
    expect(allowedAtOnce(closed, 15_000)).toBe(Number.POSITIVE_INFINITY)
    expect(afterProof(closed, 1, 15_000)).toEqual(openAvailability)
  }
})

it('whatever happens, nothing stays closed for more than an hour', () => {
  const refusal = fc.record({
    code: fc.constantFrom(...groupErrorCodes),
    retryAfterMs: fc.nat(1e9),
    waitMs: fc.nat(5e6),
  })
  fc.assert(
    fc.property(fc.array(refusal), (refusals) => {
      let state = openAvailability
      let now = 0
      for (const { code, retryAfterMs, waitMs } of refusals) {
        now += waitMs
        state = afterRefusal(state, new GroupError(code, 'x', { retryAfterMs }), now, 5 * minute)
        expect(state.until - now).toBeLessThanOrEqual(60 * minute)
        expect(allowedAtOnce(state, now + 60 * minute)).toBeGreaterThanOrEqual(1)
      }
    }),
  )
})
