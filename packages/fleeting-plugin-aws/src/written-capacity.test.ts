import { ManualClock } from '@runner-core/fleeting/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { longestLagMs, WrittenCapacity } from './written-capacity.ts'

test('reads that are late by any time below the limit show the capacity after all own changes, also to sizes that it had before', async () => {
  const step = fc.record({ size: fc.nat(5), passMs: fc.nat(100_000), reads: fc.boolean() })
  const steps = fc.array(step, { minLength: 1, maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(fc.nat(longestLagMs - 1), steps, async (lagMs, taken) => {
      const clock = new ManualClock()
      const capacity = new WrittenCapacity(clock)
      const sizes = [{ at: Number.NEGATIVE_INFINITY, size: -1 }]
      const shown = (): number => sizes.findLast(({ at }) => at <= clock.now() - lagMs)!.size
      for (const { size, passMs, reads } of taken) {
        if (reads || sizes.length === 1) expect(capacity.read(shown())).toBe(sizes.at(-1)!.size)
        capacity.add(size - sizes.at(-1)!.size)
        sizes.push({ at: clock.now(), size })
        await clock.advance(passMs)
      }
      expect(capacity.read(shown())).toBe(sizes.at(-1)!.size)
    }),
  )
})

test('a number that is none of our own is believed at once', () => {
  const capacity = new WrittenCapacity(new ManualClock())
  capacity.read(3)
  capacity.set(5)
  expect(capacity.read(3)).toBe(5)
  expect(capacity.read(4)).toBe(4)
  expect(capacity.read(3)).toBe(3)
})

test("a number that a read has shown, and that we have changed back, may be somebody else's soon", () => {
  const capacity = new WrittenCapacity(new ManualClock())
  capacity.read(3)
  capacity.set(5)
  capacity.read(5)
  capacity.set(3)
  expect([3, 5].map((shown) => capacity.read(shown))).toEqual([3, 5])
})

test('the number from before our own change is believed after the longest lag', async () => {
  const clock = new ManualClock()
  const capacity = new WrittenCapacity(clock)
  capacity.read(3)
  capacity.set(5)
  await clock.advance(longestLagMs)
  expect(capacity.read(3)).toBe(5)
  await clock.advance(1)
  expect(capacity.read(3)).toBe(3)
})
