import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs } from '../../contract/backoff.ts'
import { groupErrorCodes } from '../../contract/errors.ts'
import { launchBackoffCurves, withFailure, withSuccess } from './backoff.ts'
import { tripsBreaker } from './launch-breaker.ts'
import type { LaunchBackoff } from './launch-state.ts'

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const curve = { baseMs: 1000, maxMs: 60_000 }

describe('backoffMs', () => {
  it('stays between half of the doubled wait and all of it, and below the longest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fraction, (failures, chance) => {
        const full = Math.min(60_000, 1000 * 2 ** (failures - 1))
        const ms = backoffMs(curve, failures, () => chance)
        expect(ms).toBeGreaterThanOrEqual(full / 2)
        expect(ms).toBeLessThanOrEqual(full)
      }),
    )
  })

  it('never undercuts a hint, and believes none beyond an hour', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), fraction, (hint, chance) => {
        const ms = backoffMs(curve, 1, () => chance, hint)
        expect(ms).toBeGreaterThanOrEqual(Math.min(hint, 3_600_000))
        expect(ms).toBeLessThanOrEqual(Math.max(1000, 3_600_000 * 1.1))
      }),
    )
  })
})

describe('each error code', () => {
  it.each(groupErrorCodes)('%s has exactly one consequence for launches', (code) => {
    const consequences = [launchBackoffCurves[code] !== undefined, tripsBreaker(code), code === 'throttled']
    expect(consequences.filter(Boolean)).toHaveLength(1)
  })
})

describe('withFailure', () => {
  const fail = (backoffs: readonly LaunchBackoff[], code: 'capacity' | 'transient', now: number, placement?: string) =>
    withFailure(backoffs, { code, placement, message: code }, now, () => 1)

  it('counts failures in a row, and those of one wave once', () => {
    const first = fail([], 'capacity', 0)
    expect(first).toEqual([{ code: 'capacity', failures: 1, until: 60_000, message: 'capacity' }])
    expect(fail(first, 'capacity', 59_999)).toBe(first)
    expect(fail(first, 'capacity', 60_000)).toMatchObject([{ failures: 2, until: 180_000 }])
    expect(fail(first, 'capacity', 60_000 + 600_001)).toMatchObject([{ failures: 1 }])
  })

  it('keeps a shortage to the placement that has it, and the rest for all', () => {
    expect(fail([], 'capacity', 0, 'a')).toMatchObject([{ placement: 'a' }])
    expect(fail([], 'transient', 0, 'a')[0]).not.toHaveProperty('placement')
  })

  it('is ended by the kind of success that proves it wrong, and by no other', () => {
    const shortage = fail([], 'capacity', 0, 'a')
    const boots = withFailure(shortage, { code: 'failed_boot', placement: 'a', message: '' }, 0, () => 0)
    expect(withSuccess(boots, 'accepted', 'a').map(({ code }) => code)).toEqual(['failed_boot'])
    expect(withSuccess(boots, 'ready', 'a').map(({ code }) => code)).toEqual(['capacity'])
    expect(withSuccess(boots, 'accepted', 'b')).toBe(boots)
  })
})
