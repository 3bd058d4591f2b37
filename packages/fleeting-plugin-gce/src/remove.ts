import { asGroupError, type DecreaseResult, GroupError } from '@runner-core/fleeting'
import type { ComputeClient } from './client.ts'
import type { ManagedInstance } from './compute-api.ts'
import { mostPerRequest } from './launch.ts'

/** Deletes exactly these members; the group's target size falls with them. Thrown: when every request failed. */
export async function remove(
  client: ComputeClient,
  members: readonly ManagedInstance[],
  signal: AbortSignal,
): Promise<Required<DecreaseResult>> {
  const accepted: string[] = []
  const errors: GroupError[] = []
  for (const chunk of deleteRequests(members)) {
    try {
      await client.deleteInstances(
        chunk.map(({ reference }) => reference),
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
  /** `zones/ZONE/instances/NAME`; the bare name of one that has no URL yet. */
  readonly reference: string
}

/** What each request names. URLs and names may not be in one request. */
export function deleteRequests(members: readonly ManagedInstance[]): readonly (readonly Deletion[])[] {
  const deletions = members.map(({ name, instance }) => ({ name, reference: partialUrl(instance) ?? name }))
  const [withUrl, withoutUrl] = [deletions.filter(isUrl), deletions.filter((deletion) => !isUrl(deletion))]
  return [withUrl, withoutUrl].flatMap((list) =>
    Array.from({ length: Math.ceil(list.length / mostPerRequest) }, (_, index) =>
      list.slice(index * mostPerRequest, (index + 1) * mostPerRequest),
    ),
  )
}

function isUrl({ reference }: Deletion): boolean {
  return reference.includes('/')
}

function partialUrl(url: string | undefined): string | undefined {
  return url === undefined ? undefined : /zones\/[^/]+\/instances\/[^/]+$/.exec(url)?.[0]
}
