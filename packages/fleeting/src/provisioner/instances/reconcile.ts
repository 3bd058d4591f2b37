import { asGroupError } from '../../contract/errors.ts'
import type { ListedInstance } from '../../contract/instance-group.ts'
import { type Instance, type InstanceChange, withHealth } from './instance.ts'

/** Where an instance that `list` shows for the first time comes from. */
export type Origin = Pick<Instance, 'cause' | 'requestedAt' | 'removal'>

export interface ReconcileInput {
  readonly known: ReadonlyMap<string, Instance>
  /** What `list` answered. */
  readonly rows: readonly ListedInstance[]
  readonly now: number
  /** When the reading of the group began that the presence or absence of the instance is known from. */
  readonly readAt: (id: string) => number
  /**
   * Whether a delete of the instance may be the reason why readings left it out, the first of which began at `since`
   * and the last at `readAt`.
   */
  readonly isDeleted: (id: string, since: number, readAt: number) => boolean
  /** Called once for each new instance, in the order of the rows. */
  readonly origin: (row: ListedInstance) => Origin
}

/**
 * What a successful `list` changes. An instance that is not in it, or is `deleted`, is gone at once when lists showed
 * it until a delete of it was sent, and the delete has been answered. Otherwise it is marked as `missed`: lists may be
 * wrong, so whether it is gone is decided elsewhere.
 */
export function reconcile({ known, rows, now, readAt, isDeleted, origin }: ReconcileInput): readonly InstanceChange[] {
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
    const since = before.missed ? before.missingSince : readAt(before.id)
    if (before.removal !== undefined && since !== undefined && isDeleted(before.id, since, readAt(before.id)))
      changes.push({ kind: 'gone', instance: before, lost: false })
    else changes.push(...missing(before, readAt(before.id)))
  }
  return changes
}

/** One that only nobody has looked for is missing since no time that counts. */
function missing(before: Instance, readAt: number): readonly InstanceChange[] {
  const isKnownSince = before.missingSince === undefined && Number.isFinite(readAt)
  if (before.missed && !isKnownSince) return []
  const instance = withHealth({ ...before, missed: true, ...(isKnownSince && { missingSince: readAt }) })
  return [{ kind: 'updated', before, instance }]
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
  return (
    before.missed || before.state !== row.state || before.detail !== row.detail || before.placement !== row.placement
  )
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
  const { detail: _, error: __, placement: ___, missingSince: ____, ...rest } = before
  return withHealth({
    ...rest,
    state: row.state,
    ...told(row),
    ...(row.state === 'running' && before.runningAt === undefined && { runningAt: now }),
    stateSince: row.state === before.state ? before.stateSince : now,
    missed: false,
  })
}
