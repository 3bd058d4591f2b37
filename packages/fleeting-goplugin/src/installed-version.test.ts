import { expect, test } from 'vitest'
import { bestVersion } from './installed-version.ts'

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

test('of nothing there is nothing', () => {
  expect(bestVersion([], 'latest')).toBeUndefined()
})
