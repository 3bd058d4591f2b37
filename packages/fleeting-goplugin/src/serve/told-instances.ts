import type { ListedInstance } from '@runner-core/fleeting'
import type { UpdateResponse } from '../wire/messages.ts'
import { wireStateOf } from '../wire/states.ts'

/** What the host was told last of each instance that the group still lists, by id: the wire's number. */
export type ToldInstances = ReadonlyMap<string, number>

const creating = 0
/** Upstream's word for `failed`. A host drops such an instance, and never asks for its removal. */
const timeout = 4

/**
 * One list as a host of upstream's understands it. A failed launch is `creating` once: a host that first hears of it as
 * failed takes no notice, and waits for that launch for ever. Told as failed it stays so until it is gone, or it would
 * be counted as a new one. What has an unknown state keeps the last that was told.
 */
export function tellInstances(
  listed: readonly ListedInstance[],
  told: ToldInstances,
): {
  readonly rows: readonly UpdateResponse[]
  readonly told: ToldInstances
  /** Those that the host was told to be failed, and that are still there: nobody else removes them. */
  readonly discarded: readonly string[]
} {
  const rows = listed.map(({ id, state }) => {
    const before = told.get(id)
    if (before === timeout) return { instance: id, state: timeout }
    if (state === 'failed') return { instance: id, state: before === undefined ? creating : timeout }
    return { instance: id, state: wireStateOf(state) ?? before ?? creating }
  })
  const now = new Map(rows.map(({ instance, state }) => [instance, state]))
  const discarded = listed.filter(({ id, state }) => state === 'failed' && now.get(id) === timeout).map(({ id }) => id)
  return { rows, told: now, discarded }
}
