import { describe, expect, it } from 'vitest'
import { GroupError } from '../../contract/errors.ts'
import { type BreakerTrips, breakerAt, withoutTrip, withTrip } from './launch-breaker.ts'

const curve = { baseMs: 1000, maxMs: 4000 }
const refused = new GroupError('auth', 'no key')
const trip = (trips: BreakerTrips, operation: 'list' | 'increase' | 'decrease', now: number) =>
  withTrip(trips, operation, refused, now, curve, () => 1)

describe('the launch breaker', () => {
  it('opens with what failed and what to do, half-opens for a probe, and closes when that works', () => {
    const trips = trip([], 'increase', 0)
    const open = {
      state: 'open',
      code: 'auth',
      message: 'increase: no key',
      action: expect.stringContaining('credentials'),
      since: 0,
      probeAt: 1000,
    }
    expect(breakerAt(trips, 999)).toEqual(open)
    expect(breakerAt(trips, 1000)).toEqual({ ...open, state: 'half_open' })
    expect(breakerAt(withoutTrip(trips, 'increase'), 1000)).toEqual({ state: 'closed' })
  })

  it('waits longer for each probe that fails, up to the longest, and remembers since when', () => {
    let trips = trip([], 'increase', 0)
    const waits = [1000, 2000, 4000, 4000]
    let now = 0
    for (const wait of waits) {
      expect(breakerAt(trips, now)).toMatchObject({ probeAt: now + wait, since: 0 })
      now += wait
      trips = trip(trips, 'increase', now)
    }
  })

  it('does not probe while the group cannot be read, or machines cannot be removed', () => {
    const trips = trip(trip([], 'increase', 0), 'decrease', 0)
    const broken = breakerAt(trips, 5000)
    expect(broken).toMatchObject({ state: 'open', message: 'decrease: no key' })
    // Nobody can tell when: removals are tried again by themselves.
    expect(broken).not.toHaveProperty('probeAt')
    expect(breakerAt(withoutTrip(trips, 'decrease'), 5000)).toMatchObject({ state: 'half_open' })
  })
})
