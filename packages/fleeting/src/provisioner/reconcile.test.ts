import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { InstanceState, ListedInstance } from '../instance-group.ts'
import type { Instance, InstanceChange } from './instance.ts'
import { reconcile } from './reconcile.ts'

const origin = () => ({ cause: 'unexpected' as const })

function apply(known: Map<string, Instance>, rows: readonly ListedInstance[], now: number): readonly InstanceChange[] {
  const changes = reconcile({ known, rows, now, origin })
  for (const change of changes) {
    if (change.kind === 'gone') known.delete(change.instance.id)
    else known.set(change.instance.id, change.instance)
  }
  return changes
}

const kinds = (changes: readonly InstanceChange[]): string[] => changes.map(({ kind, instance }) => `${kind} ${instance.id}`)

describe('reconcile', () => {
  it('follows an instance from first sight to its end', () => {
    const known = new Map<string, Instance>()
    expect(apply(known, [{ id: 'a', state: 'creating', detail: 'PENDING' }], 1)).toMatchObject([
      { kind: 'seen', instance: { seenAt: 1, stateSince: 1, detail: 'PENDING', healthy: true } },
    ])
    expect(known.get('a')).not.toHaveProperty('runningAt')
    expect(apply(known, [{ id: 'a', state: 'creating', detail: 'PENDING' }], 2)).toEqual([])
    expect(apply(known, [{ id: 'a', state: 'running' }], 3)).toMatchObject([
      { kind: 'updated', before: { state: 'creating' }, instance: { runningAt: 3, stateSince: 3, seenAt: 1 } },
    ])
    expect(known.get('a')).not.toHaveProperty('detail')
    apply(known, [{ id: 'a', state: 'deleting' }], 4)
    expect(apply(known, [], 5)).toMatchObject([{ kind: 'gone', lost: true }])
  })

  it('gives an instance up only after two lists without it, and lets it come back between', () => {
    const known = new Map<string, Instance>()
    apply(known, [{ id: 'a', state: 'running' }], 1)
    expect(apply(known, [], 2)).toMatchObject([{ kind: 'updated', instance: { missed: true, healthy: false } }])
    expect(apply(known, [{ id: 'a', state: 'running' }], 3)).toMatchObject([
      { kind: 'updated', instance: { missed: false, healthy: true, runningAt: 1 } },
    ])
    apply(known, [], 4)
    expect(apply(known, [], 5)).toMatchObject([{ kind: 'gone', lost: true }])
  })

  it('takes one that we remove for gone at once, and calls it no loss', () => {
    const known = new Map<string, Instance>()
    apply(known, [{ id: 'a', state: 'running' }], 1)
    known.set('a', { ...known.get('a')!, removal: { reason: 'idle', at: 1 } })
    expect(apply(known, [], 2)).toMatchObject([{ kind: 'gone', lost: false }])
  })

  it('does not know what is deleted, nor counts a row twice', () => {
    const known = new Map<string, Instance>()
    expect(
      kinds(
        apply(
          known,
          [
            { id: 'a', state: 'deleted' },
            { id: 'b', state: 'running' },
            { id: 'b', state: 'failed' },
          ],
          1,
        ),
      ),
    ).toEqual(['seen b'])
    expect(known.get('b')).toMatchObject({ state: 'running' })
  })

  it('after any history knows exactly what the last lists showed, and changes nothing on a repetition', () => {
    const state = fc.constantFrom<InstanceState>('creating', 'running', 'deleting', 'deleted', 'failed', 'unknown')
    const rows = fc.uniqueArray(fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e'), state }), { selector: ({ id }) => id })
    fc.assert(
      fc.property(fc.array(rows, { minLength: 1, maxLength: 12 }), (history) => {
        const known = new Map<string, Instance>()
        for (const [index, list] of history.entries()) apply(known, list, index)
        const last = history.at(-1)!
        apply(known, last, history.length)
        expect(apply(known, last, history.length + 1)).toEqual([])
        const present = last.filter((row) => row.state !== 'deleted')
        expect(new Map([...known].map(([id, instance]) => [id, instance.state]))).toEqual(
          new Map(present.map((row) => [row.id, row.state])),
        )
        for (const instance of known.values()) expect(instance.healthy).toBe(true)
      }),
    )
  })
})
