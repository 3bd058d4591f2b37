import type { ListedInstance } from '@runner-core/fleeting'
import type { ServerReady } from './server/server-options.ts'

/** One instance, seen from its group: started by it, or found again. */
export interface LocalInstance {
  readonly id: string
  readonly launchToken: string
  /** Where it can be reached, while it can be. */
  readonly ready: ServerReady | undefined
  /** Settles when it is not listed any more: no process of it runs, and its directory is gone. */
  readonly gone: Promise<void>
  listed(): ListedInstance
  /** Ends it with all that runs on it. Idempotent. */
  end(): void
  /** This group has no more to do with an instance that goes on without it. */
  letGo(): void
}
