import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { believedAfterMs, judgeDisappearances, type MissingInstance } from './disappearance.ts'

const lagMs = 10_000
const rule = { lagMs, known: 10, now: 100_000 }

const missing = (fields: Partial<MissingInstance> = {}): MissingInstance => ({
  id: 'a',
  seenAt: 0,
  since: 80_000,
  readAt: 80_000,
  wasLeaving: false,
  isConnected: false,
  ...fields,
})

const silence = { at: 95_000, isSure: true }

describe('judgeDisappearances', () => {
  it.each<[string, Partial<MissingInstance>, 'wait' | 'ask' | 'gone']>([
    ['one reading', {}, 'wait'],
    ['readings over less than the lag', { readAt: 89_999 }, 'wait'],
    ['readings over the lag', { readAt: 90_000 }, 'ask'],
    ['readings over the lag, and it is silent', { readAt: 90_000, silence }, 'gone'],
    [
      'readings over the lag, and it was silent before it last lived',
      { readAt: 99_000, aliveAt: 85_000, silence: { at: 84_000, isSure: true } },
      'ask',
    ],
    ['readings over the lag, and it lived since', { readAt: 90_000, aliveAt: 85_000, silence }, 'wait'],
    [
      'readings over the lag, and it could not be asked',
      { readAt: 95_000, askedAt: 95_000, silence: { at: 95_000, isSure: false } },
      'wait',
    ],
    [
      'readings over the lag, and it could not be asked before the last',
      { readAt: 96_000, askedAt: 95_000, silence: { at: 95_000, isSure: false } },
      'ask',
    ],
    ['a denial', { deniedAt: 80_500 }, 'gone'],
    ['a denial of one that is connected', { deniedAt: 80_500, isConnected: true }, 'ask'],
    ['a denial of one that is connected and silent', { deniedAt: 80_500, isConnected: true, silence }, 'gone'],
    [
      'a denial of one that was asked for this reading, and answered',
      { deniedAt: 81_000, aliveAt: 81_000, askedAt: 81_000, isConnected: true },
      'wait',
    ],
    ['a denial before it last lived', { deniedAt: 80_500, aliveAt: 81_000 }, 'wait'],
    ['a denial of one that is new', { deniedAt: 80_500, seenAt: 75_000 }, 'wait'],
    ['one reading, where the cloud said that it is on its way out', { wasLeaving: true }, 'gone'],
    [
      'one reading, where the cloud said that it is on its way out and it is connected',
      { wasLeaving: true, isConnected: true },
      'ask',
    ],
    [
      'one that the cloud said is on its way out, and that answered',
      { wasLeaving: true, isConnected: true, askedAt: 80_000, aliveAt: 80_000 },
      'wait',
    ],
  ])('after %s', (_, fields, expected) => {
    const { ask, gone } = judgeDisappearances([missing(fields)], undefined, rule)
    expect(gone.length > 0 ? 'gone' : ask.length > 0 ? 'ask' : 'wait').toBe(expected)
  })

  it.each<[number, number, boolean]>([
    [2, 2, false],
    [3, 5, true],
    [3, 6, false],
    [20, 20, true],
  ])('holds the brake with %d missing of %d: %s', (count, known, holds) => {
    const all = Array.from({ length: count }, (_, index) => missing({ id: `${index}`, readAt: 95_000, silence }))
    const { brake, gone } = judgeDisappearances(all, undefined, { ...rule, known })
    expect(brake !== undefined).toBe(holds)
    expect(gone).toHaveLength(holds ? 0 : count)
  })

  it('keeps the brake until fewer than three are missing', () => {
    const all = ['a', 'b', 'c'].map((id) => missing({ id }))
    expect(judgeDisappearances(all, { since: 1 }, rule).brake).toEqual({ since: 1 })
    expect(judgeDisappearances(all.slice(1), { since: 1 }, rule).brake).toBeUndefined()
  })

  it('leaves those out of the brake that the cloud said are on their way out', () => {
    const all = ['a', 'b', 'c'].map((id) => missing({ id, wasLeaving: true }))
    expect(judgeDisappearances(all, undefined, { ...rule, known: 0 })).toEqual({
      brake: undefined,
      ask: [],
      gone: ['a', 'b', 'c'],
    })
  })

  it('asks each instance while the brake holds, also where the cloud denies it', () => {
    const all = ['a', 'b', 'c'].map((id) => missing({ id, deniedAt: 80_500, ...(id === 'c' && { silence }) }))
    expect(judgeDisappearances(all, undefined, { ...rule, known: 3 })).toMatchObject({ ask: ['a', 'b'], gone: ['c'] })
  })

  it('never gives up what lived within the lag, whatever lists and the cloud say', () => {
    const time = fc.integer({ min: 0, max: 100_000 })
    const instance = fc.record({
      seenAt: time,
      since: time,
      span: time,
      aliveAt: fc.integer({ min: 90_001, max: 100_000 }),
      deniedAt: fc.option(fc.integer({ min: 0, max: 90_000 }), { nil: undefined }),
      silence: fc.option(fc.record({ at: fc.integer({ min: 0, max: 90_000 }), isSure: fc.boolean() }), {
        nil: undefined,
      }),
      isConnected: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(instance, { maxLength: 8 }), fc.integer({ min: 0, max: 10 }), (all, known) => {
        const those = all.map(({ span, deniedAt, silence: heard, ...each }, index) =>
          missing({
            ...each,
            id: `${index}`,
            readAt: Math.min(100_000, each.since + span),
            ...(deniedAt !== undefined && { deniedAt }),
            ...(heard !== undefined && { silence: heard }),
          }),
        )
        expect(judgeDisappearances(those, undefined, { ...rule, known }).gone).toEqual([])
      }),
    )
  })
})

it('wants readings of a mass to agree for six times the lag, and for a minute', () => {
  expect([0, 10_000, 20_000].map((ms) => believedAfterMs(ms, true))).toEqual([60_000, 60_000, 120_000])
  expect(believedAfterMs(10_000, false)).toBe(10_000)
})
