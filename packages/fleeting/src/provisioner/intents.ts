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

/** What an earlier process knew of one of its instances. */
export interface JournalledInstance {
  readonly id: string
  readonly cause: 'requested' | 'adopted'
  readonly atWallTime: number
  readonly placement?: string
}

/** Set once every instance that is ours is in the journal: from then on one that is not is somebody else's. */
const journalledMark = { kind: 'fleet', key: 'instances journalled' } as const

/** The instances that an earlier process had; undefined when none has kept them yet. */
export function journalledInstances(records: readonly StateRecord[]): readonly JournalledInstance[] | undefined {
  if (!records.some(({ kind, key }) => kind === journalledMark.kind && key === journalledMark.key)) return undefined
  return records.flatMap(({ kind, key, value }) => {
    if (kind !== 'instance') return []
    const { cause, atWallTime, placement } = Object(value) as { cause?: unknown; atWallTime?: unknown; placement?: unknown }
    return {
      id: key,
      cause: cause === 'requested' ? cause : 'adopted',
      atWallTime: typeof atWallTime === 'number' ? atWallTime : 0,
      ...(typeof placement === 'string' && { placement }),
    }
  })
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

/** The journal of what is about to be done, and of what is there. */
export class Intents {
  readonly #options: IntentsOptions
  /** By kind and key, what is not known to be kept yet. */
  readonly #facts = new Map<string, StateChange>()
  /** Facts are on their way already, or held back until {@link begin}. */
  #isFlushing = true

  constructor(options: IntentsOptions) {
    this.#options = options
  }

  /**
   * Until now facts were held back: a start that only reads writes nothing, and one that acts keeps at once all that its first `list` told.
   */
  begin(): void {
    this.#flushSoon()
  }

  /**
   * Writes intents; what they announce may be done once this resolves. Rejects when they are not kept, for whatever reason: then it must not be done. Without entries it proves that we may still act:
   * what was announced long ago may be somebody else's by now.
   */
  async write(kind: StateRecordKind, entries: readonly (readonly [key: string, value: JsonValue])[]): Promise<void> {
    for (const [key] of entries) this.#facts.delete(placeOf(kind, key))
    await this.#commit(entries.map(([key, value]) => ({ kind, key, value })))
  }

  /** The intent has come to its end, or the fact is none any more. */
  end(kind: StateRecordKind, key: string): void {
    this.note(kind, key, null)
  }

  /**
   * Keeps a fact. Not waited for: what could not be kept is written again with the next one. Facts of one turn, and all before `begin`, are kept together, so that a launch never ends in the journal
   * without the instance that it brought.
   */
  note(kind: StateRecordKind, key: string, value: JsonValue): void {
    const place = placeOf(kind, key)
    this.#facts.delete(place)
    this.#facts.set(place, { kind, key, value })
    if (this.#isFlushing) return
    this.#isFlushing = true
    this.#flushSoon()
  }

  #flushSoon(): void {
    queueMicrotask(() => {
      this.#isFlushing = false
      void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    const facts = [...this.#facts]
    if (facts.length === 0) return
    try {
      await this.#commit(facts.map(([, change]) => change))
      for (const [place, change] of facts) if (this.#facts.get(place) === change) this.#facts.delete(place)
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'state not written')
    }
  }

  /** From now on an instance that is not in the journal is none of ours. */
  noteJournalled(): void {
    this.note(journalledMark.kind, journalledMark.key, true)
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

function placeOf(kind: StateRecordKind, key: string): string {
  return `${kind} ${key}`
}

/** Also one made by another copy of this package. */
function isFenced(error: unknown): error is Error {
  return error instanceof FencedError || (error instanceof Error && error.name === 'FencedError')
}
