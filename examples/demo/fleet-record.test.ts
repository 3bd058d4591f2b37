import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FleetRecord } from './fleet-record.ts'

test('counts, peak, machine time and shape', () => {
  const record = new FleetRecord()
  record.note(0, [])
  record.note(1000, ['a', 'b'])
  record.note(2000, ['b', 'c', 'd'])
  record.note(2500, ['d', 'b', 'c'])
  record.note(4000, [])
  expect([record.created, record.peak]).toEqual([4, 3])
  expect(record.machineMs(5000)).toBe(2 * 1000 + 3 * 2000)
  expect(record.columns(0, 5000, 5)).toEqual([0, 2, 3, 3, 0])
})

test('machine time is the sum over small steps, and no column exceeds the peak', () => {
  const changes = fc.array(
    fc.record({ afterMs: fc.integer({ min: 1, max: 9 }), count: fc.integer({ min: 0, max: 5 }) }),
    { minLength: 1 },
  )
  fc.assert(
    fc.property(changes, (list) => {
      const record = new FleetRecord()
      let now = 0
      let sum = 0
      let count = 0
      for (const change of list) {
        sum += count * change.afterMs
        now += change.afterMs
        count = change.count
        record.note(
          now,
          Array.from({ length: count }, (_, i) => String(i)),
        )
      }
      expect(record.machineMs(now)).toBe(sum)
      const columns = record.columns(0, now + 1, 7)
      expect(Math.max(...columns)).toBe(record.peak)
    }),
  )
})
