import type { InstanceState, ListedInstance } from '@runner-core/fleeting'

/** Not listed, or listed as what was there once. */
export function isGone(state: InstanceState | undefined): boolean {
  return state === undefined || state === 'deleted'
}

/** On its way out, or gone: a delete of it is not sent again. */
export function isLeaving(state: InstanceState | undefined): boolean {
  return isGone(state) || state === 'deleting'
}

/** A whole list, by id. */
export type KnownInstances = ReadonlyMap<string, ListedInstance>

/** How many count against the group's maximum. */
export function countAlive(rows: Iterable<ListedInstance>): number {
  return [...rows].filter(({ state }) => !isLeaving(state)).length
}

/** Those of `now` that are not among `before` and are not on their way out. */
export function newcomers(now: KnownInstances, before: KnownInstances): readonly string[] {
  return [...now.values()].filter(({ id, state }) => !before.has(id) && !isLeaving(state)).map(({ id }) => id)
}
