import { asGroupError, type DecreaseResult, GroupError } from '@runner-core/fleeting'
import type { ComputeClient } from './client.ts'
import type { ManagedInstance } from './compute-api.ts'
import { maxPerRequest } from './launch.ts'

/**
 * Deletes exactly these members of a group in `zones`; its target size falls with them. Thrown: when every request
 * failed.
 */
export async function remove(
  client: ComputeClient,
  members: readonly ManagedInstance[],
  zones: readonly string[],
  signal: AbortSignal,
): Promise<Required<DecreaseResult>> {
  const accepted: string[] = []
  const errors: GroupError[] = []
  for (const chunk of deleteRequests(members, zones)) {
    try {
      await client.deleteInstances(
        chunk.flatMap(({ references }) => references),
        signal,
      )
      accepted.push(...chunk.map(({ name }) => name))
    } catch (error) {
      signal.throwIfAborted()
      const { code, message, retryAfterMs, cause } = asGroupError(error)
      const hint = retryAfterMs !== undefined && { retryAfterMs }
      errors.push(...chunk.map(({ name }) => new GroupError(code, message, { instanceId: name, cause, ...hint })))
    }
  }
  if (accepted.length === 0 && errors[0] !== undefined) throw errors[0]
  return { accepted, errors }
}

interface Deletion {
  readonly name: string
  /**
   * `zones/ZONE/instances/NAME`; the bare name of one that has no URL yet. Of one without a virtual machine, an entry
   * for each zone: the group may try it in another than the one that was listed, and passes over what is no member.
   */
  readonly references: readonly string[]
}

/** What each request names. URLs and names may not be in one request. */
export function deleteRequests(
  members: readonly ManagedInstance[],
  zones: readonly string[],
): readonly (readonly Deletion[])[] {
  const deletions = members.map((member) => ({ name: member.name, references: referencesTo(member, zones) }))
  const [withUrl, withoutUrl] = [deletions.filter(isUrl), deletions.filter((deletion) => !isUrl(deletion))]
  return [...requests(withUrl), ...requests(withoutUrl)]
}

/** Each member's references stay in one request, so that it is accepted or refused as a whole. */
function requests(deletions: readonly Deletion[]): readonly (readonly Deletion[])[] {
  const chunks: Deletion[][] = []
  let room = 0
  for (const deletion of deletions) {
    if (deletion.references.length > room) {
      chunks.push([])
      room = maxPerRequest
    }
    chunks.at(-1)!.push(deletion)
    room -= deletion.references.length
  }
  return chunks
}

function isUrl({ references }: Deletion): boolean {
  return references.some((reference) => reference.includes('/'))
}

function referencesTo(
  { name, instance, instanceStatus }: ManagedInstance,
  zones: readonly string[],
): readonly string[] {
  const [, listed] = /zones\/([^/]+)\/instances\/[^/]+$/.exec(instance ?? '') ?? []
  if (listed === undefined) return [name]
  const possible = instanceStatus === undefined ? new Set([listed, ...zones]) : [listed]
  return [...possible].map((zone) => `zones/${zone}/instances/${name}`)
}
