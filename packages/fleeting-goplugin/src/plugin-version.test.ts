import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bestVersion, contradicts, fittingVersions, isPluginVersion } from './plugin-version.ts'

const there = [
  '0.5.0',
  '1.0.0',
  '1.5.0',
  '1.5.2',
  '1.10.0',
  '2.0.0-rc.1',
  '2.0.0-rc.10',
  'v3.0.0-dev',
  'junk',
  '0.0.0-20260101000000-abcdef',
]

test.each([
  ['latest', '1.10.0'],
  ['1', '1.10.0'],
  ['1.5', '1.5.2'],
  ['1.5.0', '1.5.0'],
  ['v1.5', '1.5.2'],
  ['0', '0.5.0'],
  // Only pre-releases there are.
  ['2', '2.0.0-rc.10'],
  ['junk', 'junk'],
  ['1.7', undefined],
  ['9', undefined],
  ['one', undefined],
])('of what is there, %s is %s', (wanted, best) => {
  expect(bestVersion(there, wanted)).toBe(best)
})

test.each([
  ['1.5', '99.0.0'],
  ['1', '0.1.0'],
  ['1.5.1', '1.5.2'],
  ['v1.5', '1.6.0'],
  ['1.5.1', '1.5.1-rc.1'],
  ['1.0.0-rc.1', '1.0.0-rc.2'],
  ['1.0.0-rc.1', '1.0.0'],
])('the tag %s contradicts the version %s', (tag, version) => {
  expect(contradicts(version, tag)).toBe(true)
})

test.each([
  ['latest', '99.0.0'],
  ['stable', '1.0.0'],
  ['1', '1.10.0'],
  ['1.5', '1.5.1-rc.1'],
  ['v1.5.1', '1.5.1'],
  ['v1.0.0-rc.1', '1.0.0-rc.1'],
  ['1.0.0-rc.1', '1.0.0-rc.1'],
  ['1.5-alpine', '1.6.0'],
])('the tag %s does not contradict the version %s', (tag, version) => {
  expect(contradicts(version, tag)).toBe(false)
})

test('of nothing there is nothing', () => {
  expect(bestVersion([], 'latest')).toBeUndefined()
})

// Upstream's rules, by other means: every part is compared as it stands, and a missing part of what is wanted is equal
// to any.
interface Told {
  readonly numbers: readonly [number, number, number]
  readonly prerelease: readonly (string | number)[]
}
const identifier = fc.oneof(fc.nat(12), fc.constantFrom('alpha', 'beta', 'rc', 'a1', 'a10', 'x-y', 'RC'))
const told = fc.record<Told>({
  numbers: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(11)),
  prerelease: fc.oneof(fc.constant([]), fc.array(identifier, { maxLength: 3 })),
})
const textOf = ({ numbers, prerelease }: Told): string =>
  `${numbers.join('.')}${prerelease.length > 0 ? `-${prerelease.join('.')}` : ''}`
const sign = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0)
function precedence(a: Told, b: Told): number {
  for (const [index, number] of a.numbers.entries()) {
    const difference = sign(number, b.numbers[index] as number)
    if (difference !== 0) return difference
  }
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return sign(b.prerelease.length, a.prerelease.length)
  for (const [index, part] of a.prerelease.entries()) {
    const other = b.prerelease[index]
    if (other === undefined) return 1
    const difference = typeof part === typeof other ? sign(part, other) : typeof part === 'number' ? -1 : 1
    if (difference !== 0) return difference
  }
  return sign(a.prerelease.length, b.prerelease.length)
}

test('what begins as it was asked for, by the precedence of semantic versions', () => {
  fc.assert(
    fc.property(fc.array(told, { maxLength: 12 }), told, fc.integer({ min: 0, max: 3 }), (versions, near, parts) => {
      const names = [...new Set(versions.map(textOf))]
      const wanted = parts === 0 ? 'latest' : near.numbers.slice(0, parts).join('.')
      const fits = ({ numbers }: Told): boolean =>
        near.numbers.slice(0, parts).every((part, index) => part === numbers[index])
      const fitting = versions.filter(fits).toSorted(precedence)
      expect(fittingVersions(names, wanted)).toEqual([...new Set(fitting.map(textOf))])
      const best = fitting.findLast(({ prerelease }) => prerelease.length === 0) ?? fitting.at(-1)
      expect(bestVersion(names, wanted)).toBe(best && textOf(best))
      for (const name of names) {
        expect(bestVersion(names, name)).toBe(name)
        expect(isPluginVersion(name)).toBe(true)
      }
    }),
  )
})

test.each([
  '',
  '1',
  '1.5',
  'v1.5.0',
  'latest',
  '1.5.0+build',
  '1.5.x',
  '01.2.3',
  '1.2.3-',
  '1.2.3-a_b',
  '../../x',
  '1.2.3/..',
])('%j is no version of a plugin', (text) => {
  expect(isPluginVersion(text)).toBe(false)
})
