import { expect, it } from 'vitest'
import { secretPatterns } from './secret-values.ts'

it.each([
  ['plain', ['plain']],
  ['  trimmed\n', ['trimmed']],
  ['', []],
  [' \n\t ', []],
  ['x', ['x']],
  [
    '-----BEGIN KEY-----\r\n  MIIEvQIBADANBg\nshort\n-----END KEY-----\n',
    [
      '-----BEGIN KEY-----\r\n  MIIEvQIBADANBg\nshort\n-----END KEY-----',
      '-----BEGIN KEY-----',
      'MIIEvQIBADANBg',
      '-----END KEY-----',
    ],
  ],
])('%j', (value, patterns) => {
  expect(secretPatterns(value)).toEqual(patterns)
})
