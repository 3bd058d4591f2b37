import type { InstanceState, ListedInstance } from '@runner-core/fleeting'

/** Whether an instance is not listed, or listed as deleted. */
export function isGone(state: InstanceState | undefined): boolean {
  return state === undefined || state === 'deleted'
}

/** Whether an instance is being removed or gone, so that no further delete is sent. */
export function isLeaving(state: InstanceState | undefined): boolean {
  return isGone(state) || state === 'deleting'
}

/** A complete list, by id. */
export type KnownInstances = ReadonlyMap<string, ListedInstance>

/** Counts the instances that count towards the group's maximum. */
export function countAlive(rows: Iterable<ListedInstance>): number {
  return [...rows].filter(({ state }) => !isLeaving(state)).length
}

/** Ids of the instances in `now` that are not in `before` and are not being removed. */
export function newcomers(now: KnownInstances, before: KnownInstances): readonly string[] {
  return [...now.values()].filter(({ id, state }) => !before.has(id) && !isLeaving(state)).map(({ id }) => id)
}
