import { type FleetLease, MemoryStateStore, type StateChange, type StateRecord, type StateStore } from '@runner-core/fleeting'
import type { WorldProcess } from './world-process.ts'

/** A disk: outlives every process, and shows a bystander what is on it. */
export class WorldStore {
  /** By `kind key`, what is written now. */
  readonly records: Map<string, StateRecord> = new Map()
  /** The next so many writes fail. */
  writesFail = 0
  /** Told what comes to the disk. */
  onWritten: (place: string, text: string) => void = () => {}
  readonly #open: (process: WorldProcess) => StateStore

  /** `open` gives each process its store; by default they share one in memory. */
  constructor(open?: (process: WorldProcess) => StateStore) {
    const shared = new MemoryStateStore()
    this.#open = open ?? (() => shared)
  }

  has(kind: StateRecord['kind'], key: string): boolean {
    return this.records.has(`${kind} ${key}`)
  }

  /** The disk as a process has it open. */
  openedBy(process: WorldProcess): StateStore {
    const store = this.#open(process)
    return {
      // The process before was killed, or is to be fenced: nobody waits in this world.
      lease: (fleet, options) =>
        process.effect('store', 'lease', async () => this.#leaseOf(await store.lease(fleet, { ...options, takeover: true }), process)),
      close: async () => {},
    }
  }

  #leaseOf(lease: FleetLease, process: WorldProcess): FleetLease {
    return {
      fleet: lease.fleet,
      epoch: lease.epoch,
      lost: lease.lost,
      wanted: lease.wanted,
      freeze: () => lease.freeze(),
      load: (kinds) => process.effect('store', 'load', () => lease.load(kinds)),
      write: (changes) => process.effect('store', `write ${changes.map(describe).join(', ')}`, () => this.#write(lease, changes)),
      release: () => process.effect('store', 'release', () => lease.release()),
    }
  }

  async #write(lease: FleetLease, changes: readonly StateChange[]): Promise<void> {
    if (this.writesFail > 0) {
      this.writesFail -= 1
      throw new Error('the disk is full')
    }
    for (const { kind, key, value } of changes) if (value !== null) this.onWritten(`${kind} ${key}`, JSON.stringify(value))
    await lease.write(changes)
    for (const { kind, key, value } of changes) {
      if (value === null) this.records.delete(`${kind} ${key}`)
      else this.records.set(`${kind} ${key}`, { kind, key, value })
    }
  }
}

function describe({ kind, key, value }: StateChange): string {
  return `${value === null ? 'end of ' : ''}${kind} ${key}`
}
