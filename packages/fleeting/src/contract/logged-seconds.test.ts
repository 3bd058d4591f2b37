import { expect, test } from 'vitest'
import { loggedSeconds } from './logged-seconds.ts'

test.each([
  [0, 0],
  [1, 0.001],
  [1_234.5678, 1.235],
  [0.1 + 0.2, 0],
  [86_400_000, 86_400],
])('%d ms: %d s', (durationMs, seconds) => {
  expect(loggedSeconds(durationMs)).toBe(seconds)
})
