import type { Answer } from './answers.ts'
import type { CallSettings } from './call-settings.ts'
import type { InstanceGroupManager, ManagedInstance, Operation, PerInstanceConfig } from './compute-api.ts'

/** Where a list goes on. */
export interface Page {
  readonly maxResults: number
  readonly pageToken?: string
}

/** The SDK's calls to one group, which has clients of its own in a zone and in a region. */
export interface GroupCalls {
  get(settings: CallSettings): Promise<Answer<InstanceGroupManager>>
  patch(
    change: { readonly description: string; readonly fingerprint?: string },
    settings: CallSettings,
  ): Promise<Answer<Operation>>
  listManagedInstances(page: Page, settings: CallSettings): Promise<Listed<ManagedInstance>>
  createInstances(
    instances: readonly PerInstanceConfig[],
    requestId: string,
    settings: CallSettings,
  ): Promise<Answer<Operation>>
  /** Passes over those that cannot be deleted. */
  deleteInstances(instances: readonly string[], settings: CallSettings): Promise<Answer<Operation>>
  /** Answers when the operation is done, or earlier. */
  wait(operation: string, settings: CallSettings): Promise<Answer<Operation>>
}

/** One page. */
export interface Listed<Item> {
  readonly items: Answer<readonly Item[]>
  readonly nextPageToken: string | undefined
}

/** What the SDK's lists answer. */
export function listed<Item>([items, next]: readonly [
  Answer<readonly Item[]>,
  { readonly pageToken?: string | null } | null,
  ...(readonly unknown[]),
]): Listed<Item> {
  return { items, nextPageToken: next?.pageToken ?? undefined }
}

/** The first answer to a change. The SDK types it as an operation of another API. */
export function accepted([{ latestResponse }]: readonly [
  { readonly latestResponse: unknown },
  ...(readonly unknown[]),
]): Answer<Operation> {
  return latestResponse as Answer<Operation>
}

/** How an operation stands. Its status comes as a word, typed as a number too. */
export function standing([operation]: readonly [
  Answer<Omit<Operation, 'status'>> & { readonly status?: unknown },
  ...(readonly unknown[]),
]): Answer<Operation> {
  return { ...operation, status: String(operation.status) }
}
