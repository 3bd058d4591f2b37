import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { InstanceState, ListedInstance } from '../../contract/instance-group.ts'
import type { Instance, InstanceChange } from './instance.ts'
import { reconcile } from './reconcile.ts'

const origin = () => ({ cause: 'unexpected' as const })

function apply(
  known: Map<string, Instance>,
  rows: readonly ListedInstance[],
  now: number,
  isDeleted = true,
): readonly InstanceChange[] {
  const changes = reconcile({
    known,
    rows,
    now,
    readAt: () => now - 1,
    isDeleted: (_id, since) => isDeleted && since > 1,
    origin,
  })
  for (const change of changes) {
    if (change.kind === 'gone') known.delete(change.instance.id)
    else known.set(change.instance.id, change.instance)
  }
  return changes
}

const kinds = (changes: readonly InstanceChange[]): string[] =>
  changes.map(({ kind, instance }) => `${kind} ${instance.id}`)

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
    expect(apply(known, [], 5)).toMatchObject([{ kind: 'updated', instance: { missed: true, missingSince: 4 } }])
  })

  it('marks an instance that a list leaves out, once, and gives none up for that', () => {
    const known = new Map<string, Instance>()
    apply(known, [{ id: 'a', state: 'running' }], 1)
    expect(apply(known, [], 2)).toMatchObject([
      { kind: 'updated', instance: { missed: true, missingSince: 1, healthy: false } },
    ])
    expect(apply(known, [], 3)).toEqual([])
    expect(apply(known, [{ id: 'a', state: 'running' }], 4)).toMatchObject([
      { kind: 'updated', instance: { missed: false, healthy: true, runningAt: 1 } },
    ])
    expect(known.get('a')).not.toHaveProperty('missingSince')
  })

  it('takes one for gone at once after a delete of it was answered, and calls it no loss', () => {
    const known = new Map<string, Instance>()
    apply(known, [{ id: 'a', state: 'running' }], 1)
    known.set('a', { ...known.get('a')!, removal: { reason: 'idle', at: 1 } })
    expect(apply(new Map(known), [], 3, false)).toMatchObject([{ kind: 'updated', instance: { missed: true } }])
    expect(apply(known, [], 3)).toMatchObject([{ kind: 'gone', lost: false }])
  })

  it('does not take a delete for the reason why one is missing that was missing before', () => {
    const known = new Map<string, Instance>()
    apply(known, [{ id: 'a', state: 'running' }], 1)
    apply(known, [], 2)
    known.set('a', { ...known.get('a')!, removal: { reason: 'idle', at: 2 } })
    expect(apply(known, [], 3)).toEqual([])
    expect(known.has('a')).toBe(true)
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

  it('after any history knows all that any list showed, with what the last one said, and changes nothing on a repetition', () => {
    const state = fc.constantFrom<InstanceState>('creating', 'running', 'deleting', 'deleted', 'failed', 'unknown')
    const rows = fc.uniqueArray(fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd', 'e'), state }), {
      selector: ({ id }) => id,
    })
    fc.assert(
      fc.property(fc.array(rows, { minLength: 1, maxLength: 12 }), (history) => {
        const known = new Map<string, Instance>()
        const shown = new Set<string>()
        for (const [index, list] of history.entries()) {
          apply(known, list, index)
          for (const row of list) if (row.state !== 'deleted') shown.add(row.id)
        }
        const last = history.at(-1)!
        expect(apply(known, last, history.length)).toEqual([])
        const present = new Map<string, InstanceState>(
          last.filter((row) => row.state !== 'deleted').map((row) => [row.id, row.state]),
        )
        expect(new Set(known.keys())).toEqual(shown)
        for (const { id, missed, healthy, state: now } of known.values()) {
          expect([missed, healthy]).toEqual([!present.has(id), present.has(id)])
          if (!missed) expect(now).toBe(present.get(id))
        }
      }),
    )
  })
})
