import type { GroupError, IncreaseResult } from '@runner-core/fleeting'
import { asGroupError } from '@runner-core/fleeting'
import type { ComputeClient } from './client.ts'
import type { PerInstanceConfig } from './compute-api.ts'
import { requestIdOf } from './names.ts'

/** Of one request. That deleteInstances takes so many is documented; that createInstances does is supposed. */
export const maxPerRequest = 1000

/**
 * Creates machines of these names, once, however often it is asked. `metadata` is theirs besides the template's.
 * Thrown: when none was accepted.
 */
export async function launch(
  client: ComputeClient,
  names: readonly string[],
  metadata: Readonly<Record<string, string>> | undefined,
  signal: AbortSignal,
): Promise<Required<IncreaseResult>> {
  const ids: string[] = []
  const errors: GroupError[] = []
  for (let from = 0; from < names.length && errors.length === 0; from += maxPerRequest) {
    const chunk = names.slice(from, from + maxPerRequest)
    const instances = chunk.map(
      (name): PerInstanceConfig => ({ name, ...(metadata && { preservedState: { metadata } }) }),
    )
    try {
      await client.createInstances(instances, requestIdOf(chunk), signal)
      ids.push(...chunk)
    } catch (error) {
      if (ids.length === 0 || signal.aborted) throw error
      errors.push(asGroupError(error))
    }
  }
  return { requested: ids.length, ids, errors }
}
