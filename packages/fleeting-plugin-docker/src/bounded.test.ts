import fc from 'fast-check'
import { expect, test } from 'vitest'
import { settleBounded } from './bounded.ts'

test('settleBounded acts on every item once, answers in order, and never on more than the limit at once', async () => {
  const plan = fc.array(fc.record({ fails: fc.boolean(), ticks: fc.nat(5) }), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(plan, fc.integer({ min: 1, max: 5 }), async (items, limit) => {
      let [underWay, peak, acted] = [0, 0, 0]
      const results = await settleBounded(items, limit, async ({ fails, ticks }) => {
        underWay += 1
        acted += 1
        peak = Math.max(peak, underWay)
        for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve()
        underWay -= 1
        if (fails) throw new Error('failed')
        return ticks
      })
      expect(acted).toBe(items.length)
      expect(peak).toBeLessThanOrEqual(limit)
      expect(results.map((result) => (result.status === 'fulfilled' ? result.value : 'failed'))).toEqual(
        items.map(({ fails, ticks }) => (fails ? 'failed' : ticks)),
      )
    }),
  )
})
