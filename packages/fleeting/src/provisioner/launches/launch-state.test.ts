import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LaunchState, launchAllowance, type OutstandingLaunch, outstandingCount } from './launch-state.ts'

const clear: LaunchState = {
  now: 1000,
  maxInstances: 10,
  maximumOf: 'configuration',
  known: 4,
  outstanding: [],
  backoffs: [],
  breaker: { state: 'closed' },
  throttle: { tokens: 100, perSecond: 1, burst: 100 },
  closed: false,
}
const launch = (count: number, phase: OutstandingLaunch['phase'] = 'accepted'): OutstandingLaunch => ({
  launchToken: 't',
  count,
  reason: '',
  requestedAt: 0,
  phase,
})
const tripped = { code: 'auth', message: '', action: '', since: 0, probeAt: 5000 } as const

describe('launchAllowance', () => {
  it('never allows more than the maximum leaves, whatever the state', () => {
    const state = fc.record({
      now: fc.nat(),
      maxInstances: fc.nat(50),
      maximumOf: fc.constant('group' as const),
      known: fc.nat(80),
      outstanding: fc.array(
        fc
          .record({
            count: fc.integer({ min: 1, max: 9 }),
            phase: fc.constantFrom('queued', 'sent', 'accepted', 'uncertain'),
          })
          .map((l) => launch(l.count, l.phase as 'sent')),
      ),
      backoffs: fc.constant([]),
      breaker: fc.constantFrom<LaunchState['breaker']>(
        { state: 'closed' },
        { state: 'open', ...tripped },
        { state: 'half_open', ...tripped },
      ),
      throttle: fc.record({
        tokens: fc.double({ min: 0, max: 100, noNaN: true }),
        perSecond: fc.constant(1),
        burst: fc.constant(100),
      }),
      closed: fc.boolean(),
    })
    fc.assert(
      fc.property(state, (given) => {
        const { count, blockedBy } = launchAllowance(given)
        expect(Number.isInteger(count)).toBe(true)
        expect(count === 0).toBe(blockedBy !== undefined)
        if (count > 0) expect(given.known + outstandingCount(given) + count).toBeLessThanOrEqual(given.maxInstances)
        if (given.breaker.state !== 'closed') expect(count).toBeLessThanOrEqual(1)
      }),
    )
  })

  it.each<[string, Partial<LaunchState>, ReturnType<typeof launchAllowance>]>([
    ['the room', {}, { count: 6 }],
    ['the room less what is outstanding', { outstanding: [launch(4)] }, { count: 2 }],
    ['nothing at the maximum', { known: 10 }, { count: 0, blockedBy: 'max_instances' }],
    ['nothing above the maximum', { known: 12 }, { count: 0, blockedBy: 'max_instances' }],
    ['nothing once closed', { closed: true }, { count: 0, blockedBy: 'closed' }],
    ['whole tokens', { throttle: { tokens: 2.9, perSecond: 1, burst: 5 } }, { count: 2 }],
    [
      'nothing without a token, until there is one',
      { throttle: { tokens: 0.5, perSecond: 0.1, burst: 5 } },
      { count: 0, blockedBy: 'throttle', until: 6000 },
    ],
    [
      'nothing while the breaker is open',
      { breaker: { state: 'open', ...tripped } },
      { count: 0, blockedBy: 'breaker', until: 5000 },
    ],
    ['one as a probe', { breaker: { state: 'half_open', ...tripped } }, { count: 1 }],
    [
      'nothing until what has failed works, when no launch can show that',
      { breaker: { state: 'open', code: 'auth', message: '', action: '', since: 0 } },
      { count: 0, blockedBy: 'breaker' },
    ],
    [
      'one probe at a time',
      { breaker: { state: 'half_open', ...tripped }, outstanding: [launch(1, 'sent')] },
      { count: 0, blockedBy: 'breaker' },
    ],
    [
      'a probe beside what was accepted before',
      { breaker: { state: 'half_open', ...tripped }, outstanding: [launch(1)] },
      { count: 1 },
    ],
  ])('allows %s', (_, state, allowance) => {
    expect(launchAllowance({ ...clear, ...state })).toEqual(allowance)
  })

  it('holds back only the placement that backs off, and all for what concerns the group', () => {
    const backoffs: LaunchState['backoffs'] = [
      { placement: 'a', code: 'capacity', failures: 1, until: 2000, message: '' },
    ]
    expect(launchAllowance({ ...clear, backoffs }, 'a')).toEqual({ count: 0, blockedBy: 'backoff', until: 2000 })
    expect(launchAllowance({ ...clear, backoffs }, 'b')).toEqual({ count: 6 })
    expect(
      launchAllowance({ ...clear, backoffs: [{ code: 'transient', failures: 1, until: 2000, message: '' }] }, 'b'),
    ).toMatchObject({
      blockedBy: 'backoff',
    })
    expect(launchAllowance({ ...clear, now: 2000, backoffs }, 'a')).toEqual({ count: 6 })
  })
})
