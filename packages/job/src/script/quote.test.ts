import { expect, test } from 'vitest'
import { loginDirectory } from '../build-paths.ts'
import { quote } from './quote.ts'

test.each([
  ['', "''"],
  ['a b', "'a b'"],
  [`it's`, `'it'\\''s'`],
  [`${loginDirectory}/builds`, `"$1"'/builds'`],
  [`a${loginDirectory}`, `'a'"$1"`],
  [loginDirectory, '"$1"'],
])('%j is quoted as %s', (text, expected) => {
  expect(quote(text)).toBe(expected)
})
