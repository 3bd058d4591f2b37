import type { Clock } from '../clock.ts'
import { deadline } from '../deadline.ts'
import type { Logger } from '../logger.ts'
import type { FleetLease, JsonValue, StateChange, StateRecord, StateRecordKind } from '../state-store.ts'
import { FencedError } from '../state-store.ts'
import { untilAbort } from './until-abort.ts'

export interface IntentsOptions {
  readonly lease: FleetLease
  readonly clock: Clock
  readonly logger: Logger
  /** Deadline of each write. */
  readonly timeoutMs: number
  /** Called when another process has taken the fleet over. */
  readonly onFenced: (error: Error) => void
}

/** Why each of the instances was to be removed whose removal an earlier process had begun. */
export function unfinishedRemovals(records: readonly StateRecord[]): ReadonlyMap<string, string> {
  const removals = new Map<string, string>()
  for (const { kind, key, value } of records) {
    if (kind !== 'removal') continue
    const { reason } = Object(value) as { reason?: unknown }
    removals.set(key, typeof reason === 'string' ? reason : 'its removal was begun before the restart')
  }
  return removals
}

/** The journal of what is about to be done. */
export class Intents {
  readonly #options: IntentsOptions
  #over: StateChange[] = []

  constructor(options: IntentsOptions) {
    this.#options = options
  }

  /** Writes intents; what they announce may be done once this resolves. Rejects when they are not kept, for whatever reason: then it must not be done. */
  async write(kind: StateRecordKind, entries: readonly (readonly [key: string, value: JsonValue])[]): Promise<void> {
    if (entries.length > 0) await this.#commit(entries.map(([key, value]) => ({ kind, key, value })))
  }

  /** The intent has come to its end. Not waited for: one that is left behind is found to be over on the next start. */
  end(kind: StateRecordKind, key: string): void {
    this.#over.push({ kind, key, value: null })
    if (this.#over.length > 1) return
    queueMicrotask(() => {
      const changes = this.#over
      this.#over = []
      this.#commit(changes).catch((error: unknown) => this.#options.logger.warn({ err: error }, 'state not written'))
    })
  }

  async #commit(changes: readonly StateChange[]): Promise<void> {
    const { lease, clock, timeoutMs, onFenced } = this.#options
    using limit = deadline(clock, timeoutMs, () => new Error(`the state store gave no answer within ${timeoutMs} ms`))
    try {
      await untilAbort(lease.write(changes), limit.signal)
    } catch (error) {
      if (isFenced(error)) onFenced(error)
      throw error
    }
  }
}

/** Also one made by another copy of this package. */
function isFenced(error: unknown): error is Error {
  return error instanceof FencedError || (error instanceof Error && error.name === 'FencedError')
}
