import { expect, test } from 'vitest'
import { fleetRecords } from '../provisioner/fleet-records.ts'
import { StateNamespace } from './state-namespace.ts'

const fruit = (version: number): StateNamespace<{ readonly apple: number }> =>
  new StateNamespace<{ readonly apple: number }>({
    name: 'fruit',
    version,
    kinds: { apple: { write: (value) => value, read: (value) => (typeof value === 'number' ? value : undefined) } },
  })

test('reads the records of its kind that have the expected form, and passes over all others', () => {
  const records = [
    { kind: 'apple', key: 'a', value: 1 },
    { kind: 'apple', key: 'b', value: 'two' },
    { kind: 'pear', key: 'c', value: 3 },
  ]
  expect(fruit(1).read('apple', records)).toEqual([{ key: 'a', value: 1 }])
})

test('says which version wrote last, once, and refuses what a newer one wrote', () => {
  const [claim] = fruit(2).claim([])
  expect(claim).toEqual({ kind: 'version', key: 'fruit', value: 2, survives: 'power' })
  const kept = [{ kind: 'version', key: 'fruit', value: 2 }]
  expect(fruit(2).claim(kept)).toEqual([])
  expect(fruit(3).claim(kept)).toHaveLength(1)
  expect(() => fruit(1).claim(kept)).toThrow(expect.objectContaining({ code: 'newer_schema' }))
})

test('intents survive the loss of power, and the end of an intent need not', () => {
  const launch = { count: 1, reason: 'test', atWallTime: 0 }
  expect(fleetRecords.change('launch', 'l', launch)).toMatchObject({ survives: 'power' })
  expect(fleetRecords.change('removal', 'i', { reason: 'test', atWallTime: 0 })).toMatchObject({ survives: 'power' })
  expect(fleetRecords.change('launch', 'l', null)).not.toHaveProperty('survives')
  expect(fleetRecords.change('instance', 'i', { cause: 'requested', atWallTime: 0 })).not.toHaveProperty('survives')
})
