import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OwnerWatch } from './owner-watch.ts'

test('a machine is unowned once no new sign has come for the whole time, and never sooner', () => {
  const step = fc.record({
    afterMs: fc.integer({ min: 0, max: 300 }),
    sign: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
  })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const watch = new OwnerWatch(1000, 0)
      let [now, seenAt, last]: [number, number, string | undefined] = [0, 0, undefined]
      for (const { afterMs, sign } of steps) {
        now += afterMs
        if (sign !== undefined && sign !== last) [last, seenAt] = [sign, now]
        expect(watch.look(sign, now)).toBe(now - seenAt >= 1000)
      }
    }),
  )
})
