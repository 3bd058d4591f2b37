import { expect, it } from 'vitest'
import { seededRandom } from './seeded-random.ts'

it('repeats itself for the same seed, differs for another, and stays in [0, 1)', () => {
  const draw = (seed: number): number[] => Array.from({ length: 1000 }, seededRandom(seed))
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
  expect(draw(7).every((value) => value >= 0 && value < 1)).toBe(true)
  const mean = draw(7).reduce((sum, value) => sum + value, 0) / 1000
  expect(mean).toBeGreaterThan(0.4)
  expect(mean).toBeLessThan(0.6)
})
