import type { InstanceState, ListedInstance } from '@runner-core/fleeting'

/** Not listed, or listed as what was there once. */
export function isGone(state: InstanceState | undefined): boolean {
  return state === undefined || state === 'deleted'
}

/** On its way out, or gone: a delete of it is not sent again. */
export function isLeaving(state: InstanceState | undefined): boolean {
  return isGone(state) || state === 'deleting'
}

/** How many count against the group's maximum. */
export function countAlive(rows: readonly ListedInstance[]): number {
  return rows.filter(({ state }) => !isLeaving(state)).length
}

/** Those of `rows` that are not among `before` and are not on their way out, at most `limit`. */
export function newcomers(rows: readonly ListedInstance[], before: ReadonlyMap<string, unknown>, limit: number): readonly string[] {
  const fresh = rows.filter(({ id, state }) => !before.has(id) && !isLeaving(state))
  return fresh.slice(0, limit).map(({ id }) => id)
}
