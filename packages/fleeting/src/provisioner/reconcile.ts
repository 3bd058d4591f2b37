import { asGroupError } from '../errors.ts'
import type { ListedInstance } from '../instance-group.ts'
import { type Instance, type InstanceChange, withHealth } from './instance.ts'

/** Where an instance that `list` shows for the first time comes from. */
export type Origin = Pick<Instance, 'cause' | 'requestedAt' | 'removal'>

export interface ReconcileInput {
  readonly known: ReadonlyMap<string, Instance>
  /** What `list` answered. */
  readonly rows: readonly ListedInstance[]
  readonly now: number
  /** Called once for each new instance, in the order of the rows. */
  readonly origin: (row: ListedInstance) => Origin
}

/**
 * What a successful `list` changes. An instance that is not in it, or is `deleted`, is gone at once when it was on its way out; otherwise it is first marked `missed`,
 * and gone, lost, when the next `list` does not show it either: no machine is given up on one answer.
 */
export function reconcile({ known, rows, now, origin }: ReconcileInput): readonly InstanceChange[] {
  const changes: InstanceChange[] = []
  const present = new Set<string>()
  for (const row of rows) {
    if (row.state === 'deleted' || present.has(row.id)) continue
    present.add(row.id)
    const before = known.get(row.id)
    if (before === undefined) changes.push({ kind: 'seen', instance: discovered(row, origin(row), now) })
    else if (differs(before, row)) changes.push({ kind: 'updated', before, instance: updated(before, row, now) })
  }
  for (const before of known.values()) {
    if (present.has(before.id)) continue
    const leaving = before.removal !== undefined
    if (leaving || before.missed || before.state === 'deleting') changes.push({ kind: 'gone', instance: before, lost: !leaving })
    else changes.push({ kind: 'updated', before, instance: withHealth({ ...before, missed: true }) })
  }
  return changes
}

function discovered(row: ListedInstance, origin: Origin, now: number): Instance {
  return withHealth({
    id: row.id,
    state: row.state,
    ...told(row),
    ...origin,
    seenAt: now,
    ...(row.state === 'running' && { runningAt: now }),
    stateSince: now,
    missed: false,
    healthy: true,
  })
}

function differs(before: Instance, row: ListedInstance): boolean {
  return before.missed || before.state !== row.state || before.detail !== row.detail || before.placement !== row.placement
}

/** What a row may tell, or not. */
function told({ detail, error, placement }: ListedInstance): Pick<Instance, 'detail' | 'error' | 'placement'> {
  return {
    ...(detail !== undefined && { detail }),
    ...(error !== undefined && { error: asGroupError(error) }),
    ...(placement !== undefined && { placement }),
  }
}

function updated(before: Instance, row: ListedInstance, now: number): Instance {
  const { detail: _, error: __, placement: ___, ...rest } = before
  return withHealth({
    ...rest,
    state: row.state,
    ...told(row),
    ...(row.state === 'running' && before.runningAt === undefined && { runningAt: now }),
    stateSince: row.state === before.state ? before.stateSince : now,
    missed: false,
  })
}
