import { untilAbort } from '../contract/until-abort.ts'
import {
  FencedError,
  type FleetLease,
  type JsonValue,
  type LeaseOptions,
  type StateChange,
  StateError,
  type StateRecord,
  type StateStore,
} from './state-store.ts'

interface Fleet {
  epoch: number
  owner: MemoryLease | undefined
  /** By kind and key; nothing here is shared with callers, as it would not be on a disk. */
  readonly records: Map<string, StateRecord>
}

/**
 * Keeps state in memory: it survives a new lease of the same store, and nothing else. Share one store to test
 * take-overs; an owner that a test has killed is taken over with `takeover`.
 */
export class MemoryStateStore implements StateStore {
  readonly #fleets = new Map<string, Fleet>()
  readonly #closing = new AbortController()

  async lease(fleet: string, { signal, onWait, takeover = false }: LeaseOptions = {}): Promise<FleetLease> {
    const kept = this.#fleets.get(fleet) ?? { epoch: 0, owner: undefined, records: new Map<string, StateRecord>() }
    this.#fleets.set(fleet, kept)
    const ended = AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])])
    for (ended.throwIfAborted(); kept.owner !== undefined && !takeover; ) {
      onWait?.({ name: 'this process', waitedMs: 0 })
      await untilAbort(kept.owner.ended, ended)
    }
    kept.owner?.fence()
    kept.epoch += 1
    const lease = new MemoryLease(fleet, kept)
    kept.owner = lease
    return lease
  }

  async close(): Promise<void> {
    this.#closing.abort(new StateError('closed', 'the state store was closed'))
    for (const { owner } of this.#fleets.values()) await owner?.release()
  }
}

class MemoryLease implements FleetLease {
  readonly fleet: string
  readonly epoch: number
  readonly ended: Promise<void>
  readonly #kept: Fleet
  readonly #lost = new AbortController()
  /** A take-over does not ask. */
  readonly wanted: AbortSignal = new AbortController().signal
  #isFrozen = false
  #end = (): void => {}

  constructor(fleet: string, kept: Fleet) {
    this.fleet = fleet
    this.epoch = kept.epoch
    this.#kept = kept
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  async load(kinds?: readonly string[]): Promise<readonly StateRecord[]> {
    const records = [...this.#kept.records.values()]
    return records.filter(({ kind }) => kinds?.includes(kind) ?? true).map((record) => structuredClone(record))
  }

  async write(changes: readonly StateChange[]): Promise<void> {
    if (this.#isFrozen) return new Promise(() => {})
    if (this.#kept.owner !== this) throw new FencedError(this.fleet, this.epoch)
    for (const { kind, key, value } of changes) {
      const place = recordKey(kind, key)
      if (value === null) this.#kept.records.delete(place)
      else this.#kept.records.set(place, { kind, key, value: structuredClone(value) as JsonValue })
    }
  }

  freeze(): void {
    this.#isFrozen = true
  }

  /** The epoch ends with the lease: a write after it rejects, as for any other store. */
  async release(): Promise<void> {
    if (this.#kept.owner === this) this.#kept.owner = undefined
    this.#end()
  }

  fence(): void {
    this.#lost.abort(new FencedError(this.fleet, this.epoch))
    this.#end()
  }
}

function recordKey(kind: string, key: string): string {
  return `${kind}\n${key}`
}
