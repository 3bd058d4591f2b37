import { asGroupError, type DecreaseResult, GroupError, type GroupErrorCode } from '@runner-core/fleeting'
import type { AzureClient } from './client.ts'
import type { Machine } from './machine.ts'

/** As many in one call: Azure names no limit, and one that fails should not hold up the rest. */
const chunkSize = 100
/** What a call is refused with for the sake of a single machine. */
const refusals: readonly GroupErrorCode[] = ['invalid_config', 'not_found', 'conflict']

export interface RemovalOptions {
  readonly client: Pick<AzureClient, 'deleteMachines'>
  /** Whether a machine was there when last listed. */
  readonly isListed: (id: string) => boolean
  /** Whether its delete was asked for before, and the answer was lost. */
  readonly isPerhapsGone: (id: string) => boolean
  readonly listMachines: () => Promise<readonly Machine[]>
}

/**
 * Deletes machines by id. Those that are gone or going, or never were, count as accepted: one of them would make a
 * whole call fail, so only what exists is named. Thrown: why nothing was accepted at all.
 */
export async function removeMachines(
  ids: readonly string[],
  options: RemovalOptions,
  signal: AbortSignal,
): Promise<DecreaseResult> {
  const { client, isListed, isPerhapsGone, listMachines } = options
  const existing = async (
    among: readonly string[],
    isWorthNaming: (machine: Machine) => boolean,
  ): Promise<readonly string[]> => {
    const there = new Set((await listMachines()).filter(isWorthNaming).map(({ id }) => id))
    return among.filter((id) => there.has(id))
  }
  const deleteAll = async (chunk: readonly string[]): Promise<void> => {
    try {
      await client.deleteMachines(chunk, signal)
    } catch (error) {
      // One of them may have gone since it was listed, which Azure tells as a wrong parameter, or is on its way.
      const left = refusals.includes(asGroupError(error).code)
        ? await existing(chunk, ({ provisioningState }) => provisioningState !== 'Deleting')
        : chunk
      const suspects = left.length === chunk.length ? left.filter(isPerhapsGone) : []
      if (left.length === chunk.length && suspects.length === 0) throw error
      const others = left.filter((id) => !suspects.includes(id))
      if (others.length > 0) await client.deleteMachines(others, signal)
      for (const id of suspects) await deleteSuspect(id)
    }
  }
  /** Refused, it is taken for gone: a list that is late still shows it. */
  const deleteSuspect = async (id: string): Promise<void> => {
    try {
      await client.deleteMachines([id], signal)
    } catch (error) {
      if (!['invalid_config', 'not_found'].includes(asGroupError(error).code)) throw error
    }
  }

  const wanted = [...new Set(ids)]
  // Also one that is being deleted: should that have come to a halt, this sets it going again.
  const doomed = wanted.every(isListed) ? wanted : await existing(wanted, () => true)
  for (let start = 0; start < doomed.length; start += chunkSize) {
    try {
      await deleteAll(doomed.slice(start, start + chunkSize))
    } catch (error) {
      if (start === 0 || signal.aborted) throw error
      const kept = doomed.slice(start)
      return {
        accepted: ids.filter((id) => !kept.includes(id)),
        errors: kept.map((id) => ofInstance(asGroupError(error), id)),
      }
    }
  }
  return { accepted: ids }
}

function ofInstance(error: GroupError, instanceId: string): GroupError {
  const { code, message, retryAfterMs, bucket } = error
  const hint = { ...(retryAfterMs !== undefined && { retryAfterMs }), ...(bucket !== undefined && { bucket }) }
  return new GroupError(code, message, { instanceId, cause: error, ...hint })
}
