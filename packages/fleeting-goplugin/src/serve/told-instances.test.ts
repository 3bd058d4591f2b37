import type { InstanceState, ListedInstance } from '@runner-core/fleeting'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ToldInstances, tellInstances } from './told-instances.ts'

const [creating, running, deleting, timeout] = [0, 1, 2, 4]
const states: readonly InstanceState[] = ['creating', 'running', 'deleting', 'failed', 'unknown']

/** What the host is told of one instance, list by list; nothing where it is not listed. */
function told(...life: readonly (InstanceState | undefined)[]): readonly (number | undefined)[] {
  let memory: ToldInstances = new Map()
  return life.map((state) => {
    const { rows, told: now } = tellInstances(state === undefined ? [] : [{ id: 'a', state }], memory)
    memory = now
    return rows[0]?.state
  })
}

test('a launch that failed is creating first, so that the host counts it, and failed from then on', () => {
  expect(told('failed', 'failed', 'deleting', 'deleting', undefined)).toEqual([
    creating,
    timeout,
    timeout,
    timeout,
    undefined,
  ])
})

test('one that ran and fails is failed at once', () => {
  expect(told('running', 'failed')).toEqual([running, timeout])
})

test('what is unknown stays what it was', () => {
  expect(told('unknown', 'running', 'unknown', 'deleting', 'unknown')).toEqual([
    creating,
    running,
    running,
    deleting,
    deleting,
  ])
})

test('of any lives: none begins as failed, failed is for good, and only those that were told so are discarded', () => {
  const list = fc.uniqueArray(
    fc.record({
      id: fc.constantFrom('a', 'b', 'c'),
      state: fc.constantFrom(...states),
    }) as fc.Arbitrary<ListedInstance>,
    { selector: ({ id }) => id },
  )
  fc.assert(
    fc.property(fc.array(list, { maxLength: 12 }), (lists) => {
      let memory: ToldInstances = new Map()
      for (const listed of lists) {
        const { rows, told: now, discarded } = tellInstances(listed, memory)
        expect(rows.map(({ instance }) => instance)).toEqual(listed.map(({ id }) => id))
        for (const { instance, state } of rows) {
          if (!memory.has(instance)) expect(state).not.toBe(timeout)
          if (memory.get(instance) === timeout) expect(state).toBe(timeout)
        }
        for (const id of discarded) {
          expect(now.get(id)).toBe(timeout)
          expect(listed).toContainEqual({ id, state: 'failed' })
        }
        memory = now
      }
    }),
  )
})
