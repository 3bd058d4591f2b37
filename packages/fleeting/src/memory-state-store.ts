import {
  FencedError,
  type FleetLease,
  type JsonValue,
  type StateChange,
  type StateRecord,
  type StateRecordKind,
  type StateStore,
} from './state-store.ts'

interface Fleet {
  epoch: number
  /** By kind and key; nothing here is shared with callers, as it would not be on a disk. */
  readonly records: Map<string, StateRecord>
}

/** Keeps state in memory: it survives a new lease of the same store, and nothing else. Share one store to test take-overs. */
export class MemoryStateStore implements StateStore {
  readonly #fleets = new Map<string, Fleet>()

  async lease(fleet: string): Promise<FleetLease> {
    const kept = this.#fleets.get(fleet) ?? { epoch: 0, records: new Map<string, StateRecord>() }
    this.#fleets.set(fleet, kept)
    kept.epoch += 1
    return new MemoryLease(fleet, kept)
  }

  async close(): Promise<void> {}
}

class MemoryLease implements FleetLease {
  readonly fleet: string
  readonly epoch: number
  readonly #kept: Fleet

  constructor(fleet: string, kept: Fleet) {
    this.fleet = fleet
    this.epoch = kept.epoch
    this.#kept = kept
  }

  async load(): Promise<readonly StateRecord[]> {
    return [...this.#kept.records.values()].map((record) => structuredClone(record))
  }

  async write(changes: readonly StateChange[]): Promise<void> {
    if (this.#kept.epoch !== this.epoch) throw new FencedError(this.fleet, this.epoch)
    for (const { kind, key, value } of changes) {
      const place = recordKey(kind, key)
      if (value === null) this.#kept.records.delete(place)
      else this.#kept.records.set(place, { kind, key, value: structuredClone(value) as JsonValue })
    }
  }

  /** The epoch ends with the lease: a write after it rejects, as for any other store. */
  async release(): Promise<void> {
    if (this.#kept.epoch === this.epoch) this.#kept.epoch += 1
  }
}

function recordKey(kind: StateRecordKind, key: string): string {
  return `${kind}\n${key}`
}
