import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GroupError, groupErrorCodes } from '../contract/errors.ts'
import { type Availability, afterProof, afterRefusal, openAvailability } from './availability.ts'
import { chooseMembers, combineRefusals, type MemberState, refusalOf, roomOf } from './choose-members.ts'

const now = 1_000_000

const error = fc.constantFrom(...groupErrorCodes).map((code) => new GroupError(code, 'refused'))

/** Whatever can have happened to a member until now. */
const availability = fc
  .array(fc.record({ ageMs: fc.nat(5_000_000), refusal: fc.option(error), count: fc.nat(3) }), { maxLength: 8 })
  .map((events) =>
    events
      .toSorted((one, other) => other.ageMs - one.ageMs)
      .reduce<Availability>(
        (before, { ageMs, refusal, count }) =>
          refusal === null
            ? afterProof(before, count, now - ageMs)
            : afterRefusal(before, refusal, now - ageMs, 300_000),
        openAvailability,
      ),
  )

const member: fc.Arbitrary<Omit<MemberState, 'name'>> = fc.record(
  {
    availability,
    unreadable: error,
    limit: fc.oneof(fc.nat(20), fc.constant(Number.POSITIVE_INFINITY)),
    size: fc.nat(20),
    booting: fc.nat(5),
    weight: fc.double({ min: 0.01, max: 100, noNaN: true }),
  },
  { requiredKeys: ['availability', 'limit', 'size', 'booting', 'weight'] },
)
const members = fc
  .array(member, { maxLength: 5 })
  .map((all) => all.map((each, index): MemberState => ({ ...each, name: `m${index}` })))
const preference = fc.constantFrom('order' as const, 'weight' as const)

describe('chooseMembers', () => {
  it('shares out as many as there is room for, and asks nobody for more than it has room for', () => {
    fc.assert(
      fc.property(members, fc.nat(40), preference, (states, count, prefer) => {
        const shares = chooseMembers(states, count, now, prefer)
        const rooms = new Map(states.map((state) => [state.name, roomOf(state, now)]))
        let sum = 0
        for (const [name, share] of shares) {
          expect(share).toBeGreaterThan(0)
          expect(share).toBeLessThanOrEqual(rooms.get(name) as number)
          sum += share
        }
        expect(sum).toBe(
          Math.min(
            count,
            [...rooms.values()].reduce((all, room) => all + room, 0),
          ),
        )
      }),
    )
  })

  it('gives nothing to a member that cannot be read, is full or closed', () => {
    fc.assert(
      fc.property(members, fc.nat(40), preference, (states, count, prefer) => {
        const shares = chooseMembers(states, count, now, prefer)
        for (const {
          name,
          unreadable,
          size,
          limit,
          availability: { until },
        } of states) {
          if (unreadable !== undefined || size >= limit || until > now) expect(shares.has(name)).toBe(false)
        }
      }),
    )
  })

  it('by order, asks a member only when those before it have no room left', () => {
    fc.assert(
      fc.property(members, fc.nat(40), (states, count) => {
        const shares = chooseMembers(states, count, now, 'order')
        const last = states.findLastIndex(({ name }) => shares.has(name))
        for (const state of states.slice(0, Math.max(0, last)))
          expect(shares.get(state.name) ?? 0).toBe(roomOf(state, now))
      }),
    )
  })

  it('by weight, ends within one instance of the weights where there is room', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 300 }),
        (weights, count) => {
          const states = weights.map((weight, index) => free(`m${index}`, { weight }))
          const shares = chooseMembers(states, count, now, 'weight')
          const total = weights.reduce((sum, weight) => sum + weight, 0)
          weights.forEach((weight, index) => {
            expect(Math.abs((shares.get(`m${index}`) ?? 0) - (count * weight) / total)).toBeLessThan(weights.length)
          })
        },
      ),
    )
  })

  it('by weight, makes up for what is there already', () => {
    const states = [free('spot', { weight: 3, size: 30 }), free('sure', { weight: 1 })]
    expect(chooseMembers(states, 10, now, 'weight')).toEqual(new Map([['sure', 10]]))
  })
})

describe('refusals', () => {
  it('are told of every member without room, with a code that concerns launches and no hint of the past', () => {
    fc.assert(
      fc.property(members, (states) => {
        for (const state of states.filter((candidate) => roomOf(candidate, now) === 0)) {
          const { retryAfterMs = 1, message } = refusalOf(state, now)
          expect(retryAfterMs).toBeGreaterThan(0)
          expect(message).not.toContain('undefined')
        }
      }),
    )
  })

  it('keep a code that all agree on', () => {
    for (const code of groupErrorCodes)
      expect(combineRefusals([new GroupError(code, 'a'), new GroupError(code, 'b')])).toMatchObject({
        code,
        message: 'a; b',
      })
  })

  it('mean no capacity where they do not agree, until the first may be asked again', () => {
    const refusals = [
      new GroupError('auth', 'a', { retryAfterMs: 9000 }),
      new GroupError('quota', 'b', { retryAfterMs: 5000 }),
    ]
    expect(combineRefusals(refusals)).toMatchObject({ code: 'capacity', retryAfterMs: 5000 })
  })
})

function free(name: string, state: Partial<MemberState> = {}): MemberState {
  const open = { failures: 0, until: Number.NEGATIVE_INFINITY, proven: 0 }
  return { name, availability: open, limit: Number.POSITIVE_INFINITY, size: 0, booting: 0, weight: 1, ...state }
}
