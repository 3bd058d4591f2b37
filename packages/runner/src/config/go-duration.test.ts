import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseGoDuration } from './go-duration.ts'

test.each([
  ['20m0s', 1_200_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1_500],
  ['.5s', 500],
  ['100ms', 100],
  ['2us', 0.002],
  ['0', 0],
  ['0s', 0],
])('%s is %d ms', (text, ms) => {
  expect(parseGoDuration(text)).toBeCloseTo(ms, 9)
})

test.each(['', '20', 's', '1d', '1m 30s', '-1m', '1m30', '1e3s', ' 1s', '1s\n', `${'9'.repeat(400)}h`])('%j is no duration', (text) => {
  expect(parseGoDuration(text)).toBeUndefined()
})

test('parts add up, in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(10_000), fc.constantFrom('h', 'm', 's', 'ms')), { minLength: 1 }), (parts) => {
      const alone = parts.map(([amount, unit]) => parseGoDuration(`${amount}${unit}`) as number)
      expect(parseGoDuration(parts.flat().join(''))).toBe(alone.reduce((sum, ms) => sum + ms, 0))
    }),
  )
})
