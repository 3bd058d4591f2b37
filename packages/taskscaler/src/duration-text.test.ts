import { expect, test } from 'vitest'
import { durationText } from './duration-text.ts'

test.each([
  [-5, '0.0 s'],
  [0, '0.0 s'],
  [420, '0.4 s'],
  [949, '0.9 s'],
  [950, '1 s'],
  [59_499, '59 s'],
  [59_500, '1 min'],
  [65_000, '1 min 5 s'],
  [3_599_400, '59 min 59 s'],
  [3_599_500, '1 h'],
  [7_260_000, '2 h 1 min'],
  [90_000_000, '25 h'],
])('%d ms is %s', (durationMs, text) => {
  expect(durationText(durationMs)).toBe(text)
})
