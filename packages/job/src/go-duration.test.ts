import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatGoDuration, parseGoDuration } from './go-duration.ts'

test.each([
  ['1h', 3_600_000],
  ['1h30m', 5_400_000],
  ['90s', 90_000],
  ['1.5h', 5_400_000],
  ['250ms', 250],
  ['0', 0],
  ['+5m', 300_000],
  ['', undefined],
  ['5', undefined],
  ['5 m', undefined],
  ['-5m', undefined],
  ['h', undefined],
  ['5mx', undefined],
  ['x5m', undefined],
])('%j is %j milliseconds', (text, expected) => {
  expect(parseGoDuration(text)).toBe(expected)
})

test.each([
  [0, '0s'],
  [250, '250ms'],
  [1500, '1.5s'],
  [300_000, '5m0s'],
  [3_600_000, '1h0m0s'],
  [5_431_000, '1h30m31s'],
])('%j ms is printed as %s', (durationMs, expected) => {
  expect(formatGoDuration(durationMs)).toBe(expected)
})

test('what is printed is read back', () => {
  fc.assert(
    fc.property(fc.nat({ max: 100_000_000 }), (durationMs) => {
      expect(parseGoDuration(formatGoDuration(durationMs))).toBeCloseTo(durationMs, 3)
    }),
  )
})
