import fc from 'fast-check'
import { expect, test } from 'vitest'
import { JobBudget } from '../job-budget.ts'
import { PathPattern, PathPatternError } from './path-pattern.ts'

/** Each as bmatcuk/doublestar 4.10.4 (Go), which GitLab's runner uses, answers it. */
const cases: readonly (readonly [string, string, boolean])[] = [
  ['*', 'a', true],
  ['*', 'a/b', false],
  ['*', '.hidden', true],
  ['a*c', 'abbc', true],
  ['a*c', 'ab/c', false],
  ['a?c', 'aäc', true],
  ['a?c', 'a/c', false],
  ['**', 'a/b/c', true],
  ['**/*.log', 'x.log', true],
  ['**/*.log', 'a/.b/x.log', true],
  ['a/**', 'a', true],
  ['a/**', 'a/b/c', true],
  ['a/**/b', 'a/b', true],
  ['a/**/b', 'a/x/y/b', true],
  ['a/**/b/**/c', 'a/b/b/x/c', true],
  ['a/**/*', 'a', false],
  ['a**', 'ab/c', false],
  ['a**b', 'axxb', true],
  ['***', 'a/b', false],
  ['[a-c]x', 'bx', true],
  ['[^a-c]x', 'bx', false],
  ['[!a-c]x', 'dx', true],
  ['[\\]a]x', ']x', true],
  ['[a\\-c]', '-', true],
  ['[a\\-c]', 'b', false],
  ['{a,b/c}/d', 'b/c/d', true],
  ['{a,b/c}/d', 'c/d', false],
  ['x{,y}z', 'xz', true],
  ['{a,{b,c}}d', 'cd', true],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['\\{a,b\\}', '{a,b}', true],
  ['日*', '日本', true],
  ['a/*/b', 'a//b', true],
]

test.each(cases)('%s of %s: %s', (pattern, path, isMeant) => {
  expect(new PathPattern(pattern).matches(path)).toBe(isMeant)
})

test.each(['[a', '{a,b', 'a\\', '[', 'x[^]', '[]a]'])('%s is no pattern', (text) => {
  expect(() => new PathPattern(text)).toThrow(PathPatternError)
})

test('too many alternatives are refused before they are made', () => {
  expect(() => new PathPattern('{a,b,c,d}'.repeat(12))).toThrow('too many')
})

test.each([
  ['a text of 203 KB with 1,000 alternatives', `{${'*,'.repeat(998)}*}${'a'.repeat(203_000)}`],
  ['a text that is longer than all patterns may be', 'a'.repeat(2_000_000)],
])('%s fails the job by name', (_, text) => {
  expect(() => new PathPattern(text)).toThrow(
    expect.objectContaining({ code: 'limit_exceeded', message: expect.stringContaining('patterns') }),
  )
})

test.each([
  ['alternatives in each other', `${'{'.repeat(50_000)}${'}'.repeat(50_000)}`],
  ['alternatives of nothing', `{${','.repeat(200_000)}}${'{,}'.repeat(10)}`],
])('%s are refused', (_, text) => {
  expect(() => new PathPattern(text)).toThrow(PathPatternError)
})

test('alternatives without number that are one each are one', () => {
  expect(new PathPattern('{a}'.repeat(20_000)).matches('a'.repeat(20_000))).toBe(true)
})

test('comparisons draw from the budget of the job until it is spent', () => {
  const pattern = new PathPattern(`*${'a'.repeat(100)}b`, new JobBudget({ steps: 100_000 }))
  const path = 'a'.repeat(400)
  expect(pattern.matches(path)).toBe(false)
  expect(() => {
    for (let tries = 0; tries < 10; tries++) pattern.matches(path)
  }).toThrow(expect.objectContaining({ code: 'limit_exceeded', message: expect.stringContaining('steps') }))
})

test('one comparison that would keep the event loop from running fails the job', () => {
  expect(() => new PathPattern(`*${'a'.repeat(10_000)}b`).matches('a'.repeat(20_000))).toThrow(
    expect.objectContaining({ code: 'limit_exceeded', message: expect.stringContaining('one name') }),
  )
})

/** The meaning in its plainest form: all ways are tried. */
function plainMatch(pattern: readonly string[], path: readonly string[]): boolean {
  const [segment, ...rest] = pattern
  if (segment === undefined) return path.length === 0
  if (segment === '**') return plainMatch(rest, path) || (path.length > 0 && plainMatch(pattern, path.slice(1)))
  return path.length > 0 && plainName(segment, path[0]!) && plainMatch(rest, path.slice(1))
}

function plainName(pattern: string, name: string): boolean {
  if (pattern === '') return name === ''
  if (pattern[0] === '*') return plainName(pattern.slice(1), name) || (name !== '' && plainName(pattern, name.slice(1)))
  return name !== '' && (pattern[0] === '?' || pattern[0] === name[0]) && plainName(pattern.slice(1), name.slice(1))
}

test('the same as when all ways are tried', () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), minLength: 1, maxLength: 4 })
  const segment = fc.oneof(
    fc.constant('**'),
    fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 5 }),
  )
  fc.assert(
    fc.property(
      fc.array(segment, { minLength: 1, maxLength: 5 }),
      fc.array(name, { minLength: 1, maxLength: 5 }),
      (pattern, path) => {
        expect(new PathPattern(pattern.join('/')).matches(path.join('/'))).toBe(plainMatch(pattern, path))
      },
    ),
    { numRuns: 3000 },
  )
})

test('what a base leaves out is not meant', () => {
  const name = fc.constantFrom('a', 'b', 'c')
  const segment = fc.oneof(fc.constantFrom('**', '*', '{a,b}', 'a?'), name)
  fc.assert(
    fc.property(
      fc.array(segment, { minLength: 1, maxLength: 4 }),
      fc.array(name, { minLength: 1, maxLength: 4 }),
      (segments, names) => {
        const pattern = new PathPattern(segments.join('/'))
        const path = names.join('/')
        const isBelow = pattern.bases.some((base) =>
          base.isWhole
            ? path === base.path
            : base.path === '' || path === base.path || path.startsWith(`${base.path}/`),
        )
        if (pattern.matches(path)) expect(isBelow).toBe(true)
      },
    ),
  )
})

test('a pattern made to be slow is not', () => {
  const pattern = new PathPattern(`${'**/'.repeat(30)}${'*a'.repeat(60)}b`)
  const startedAt = process.cpuUsage()
  expect(pattern.matches(Array.from({ length: 60 }, () => 'a'.repeat(250)).join('/'))).toBe(false)
  expect(process.cpuUsage(startedAt).user).toBeLessThan(2_000_000)
})
