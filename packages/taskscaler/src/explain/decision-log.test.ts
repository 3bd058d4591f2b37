import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Decision } from './decision.ts'
import { DecisionLog } from './decision-log.ts'

const decisionAt = (at: number): Decision => ({ at, kind: 'resume', reason: `at ${at}` })

test('keeps the last ones, as many as it may and none that is too old, in their order', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 60 })
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 20 }), (steps, limit) => {
      const log = new DecisionLog({ limit, maxAgeMs: 200 })
      const all: Decision[] = []
      let at = 0
      for (const step of steps) {
        at += step
        all.push(decisionAt(at))
        log.add(all.at(-1)!)
        expect([...log]).toEqual(all.filter((decision) => at - decision.at <= 200).slice(-limit))
        expect(log.size).toBe([...log].length)
      }
    }),
  )
})
