import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expand } from './expand.ts'

const values: Record<string, string> = { A: 'one', B_2: '$A', LONG: 'x'.repeat(100) }
const lookUp = (name: string): string => values[name] ?? ''

test.each([
  ['plain', 'plain'],
  ['$A', 'one'],
  ['${A}', 'one'],
  ['a$A-$A.${A}b', 'aone-one.oneb'],
  ['$AB', ''],
  ['${A}B', 'oneB'],
  ['$B_2', '$A'],
  ['$$A', '$A'],
  ['$$$A', '$one'],
  ['$1$@$*$?$-$#$!x', 'x'],
  ['$12', '2'],
  ['${1}${@}', ''],
  ['100$', '100$'],
  ['a $ b', 'a $ b'],
  ['$-', ''],
  ['$é', '$é'],
  ['${}x', 'x'],
  ['${A', 'A'],
  ['${A-b}', ''],
  ['$UNKNOWN.', '.'],
])('expands %j to %j', (text, expected) => {
  expect(expand(text, lookUp)).toBe(expected)
})

test('text without a dollar sign is left alone, and what was inserted is not expanded again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (text, value) => {
      const plain = text.replaceAll('$', '')
      expect(expand(plain, lookUp)).toBe(plain)
      expect(expand(`<\${V}>`, () => value)).toBe(`<${value}>`)
    }),
  )
})

test('nothing is lost or added around references', () => {
  const piece = fc.oneof(
    fc.constantFrom('$A', '${A}', '$$', '$1'),
    fc.string({ unit: 'grapheme' }).map((text) => ` ${text.replaceAll('$', '')}`),
  )
  const expected: Record<string, string> = { $A: 'one', '${A}': 'one', $$: '$', $1: '' }
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      // A piece of plain text begins with a space, so that it never lengthens the name before it.
      const parts = pieces.map((text) => expected[text] ?? text)
      expect(expand(pieces.join(''), lookUp)).toBe(parts.join(''))
    }),
  )
})
