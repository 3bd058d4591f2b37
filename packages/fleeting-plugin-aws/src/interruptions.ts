import type { SpotInstanceRequest } from '@aws-sdk/client-ec2'
import type { Logger } from '@runner-core/fleeting'
import type { AwsClient } from './client.ts'

type Listener = (id: string, atWallTime: number | undefined) => void

/** EC2 takes a spot instance back two minutes after it has said so. */
const noticeMs = 120_000

/**
 * Tells of spot instances that EC2 is about to take back, as the status of their spot requests says. Looked for with
 * each list, so a notice is seen only where lists come more often than every two minutes. Rebalance recommendations are
 * told to the machine itself and to EventBridge, and by no call of EC2.
 */
export class Interruptions {
  readonly #client: AwsClient
  readonly #logger: Logger
  readonly #listeners = new Set<Listener>()
  readonly #told = new Set<string>()

  constructor(client: AwsClient, logger: Logger) {
    this.#client = client
    this.#logger = logger
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** `alive`: the group's instances. Each notice is told once. A failure costs the notice, not the list. */
  async look(alive: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    for (const id of this.#told) if (!alive.has(id)) this.#told.delete(id)
    if (this.#listeners.size === 0) return
    for (const { InstanceId: id, Status } of await this.#marked(signal)) {
      if (id === undefined || !alive.has(id) || this.#told.has(id)) continue
      this.#told.add(id)
      const since = Status?.UpdateTime?.getTime()
      for (const listener of this.#listeners) listener(id, since === undefined ? undefined : since + noticeMs)
    }
  }

  async #marked(signal: AbortSignal): Promise<readonly SpotInstanceRequest[]> {
    try {
      return await this.#client.markedSpotRequests(signal)
    } catch (error) {
      signal.throwIfAborted()
      this.#logger.warn({ err: error }, 'cannot determine which spot instances are about to be interrupted')
      return []
    }
  }
}
