import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readRetryAfter } from './retry-after.ts'

const wallTime = Date.UTC(2026, 10, 30, 12)

test.each([
  ['7', 7000],
  [' 0 ', 0],
  ['1.5', 1500],
  [new Date(wallTime + 3000).toUTCString(), 3000],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
  ['soon', undefined],
  ['-5', undefined],
  ['', undefined],
  [null, undefined],
  [undefined, undefined],
])('Retry-After %j asks to wait %j ms', (header, ms) => {
  expect(readRetryAfter(header, wallTime)).toBe(ms)
})

test('whatever a server sends, a wait is a number of milliseconds or none', () => {
  const headers = fc.oneof(
    fc.string(),
    fc.integer().map(String),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
  )
  fc.assert(
    fc.property(headers, (header) => {
      const ms = readRetryAfter(header, wallTime)
      expect(ms === undefined || ms >= 0).toBe(true)
    }),
  )
})
