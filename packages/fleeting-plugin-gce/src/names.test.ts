import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fleetPrefix, launchNames, launchTokenOf, requestIdOf } from './names.ts'

const token = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,34}[a-z0-9])?$/)
const count = fc.integer({ min: 1, max: 2000 })

describe('names of machines', () => {
  test('are names as Compute Engine has them, and tell their fleet and launch, whatever these are called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), token, count, (fleet, launchToken, number) => {
        const prefix = fleetPrefix(fleet)
        const names = launchNames(prefix, launchToken, number)
        expect(new Set(names).size).toBe(number)
        for (const name of [names[0]!, names.at(-1)!]) {
          expect(name).toMatch(/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/)
          expect(launchTokenOf(prefix, name)).toBe(launchToken)
        }
      }),
    )
  })

  test('of two fleets are different: the groups of one `multi` may be in one zone, and launch under one token', () => {
    for (const [one, other] of [
      ['gitlab-runner-production-spot', 'gitlab-runner-production-on-demand'],
      ['ci-a.b', 'ci-a_b'],
      ['ci-A', 'ci-a'],
      ['日', '本'],
    ] as const)
      expect(fleetPrefix(one)).not.toBe(fleetPrefix(other))
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (one, other) => {
        expect(fleetPrefix(one) === fleetPrefix(other)).toBe(one === other)
      }),
    )
    expect(fleetPrefix('ci-builds')).toBe('ci-builds')
    expect(fleetPrefix('Our CI builds, the second')).toMatch(/^our-ci-builds-[0-9a-f]{6}$/)
  })

  test('of a smaller launch with the same token are the first of a larger one', () => {
    expect(launchNames('f', 't', 3).slice(0, 2)).toEqual(launchNames('f', 't', 2))
  })

  test('cannot be made of a token that is no part of a name', () => {
    for (const bad of ['', 'T', 'a_b', '-a', 'a-', 'a'.repeat(37)])
      expect(() => launchNames('f', bad, 1)).toThrow('launchToken: expected')
  })

  test('of others have no token', () => {
    for (const other of ['fleet2-t-0', 'fleet', 'fleet-', 'fleet-t', 'fleet-t-x'])
      expect(launchTokenOf('fleet', other)).toBeUndefined()
  })
})

describe('the id of a request', () => {
  test('is a UUID, the same for the same names and another one for others', () => {
    fc.assert(
      fc.property(token, token, count, count, (one, other, few, many) => {
        const [a, b] = [launchNames('f', one, few), launchNames('f', other, many)]
        expect(requestIdOf(a)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
        expect(requestIdOf(a) === requestIdOf(b)).toBe(one === other && few === many)
      }),
    )
  })
})
