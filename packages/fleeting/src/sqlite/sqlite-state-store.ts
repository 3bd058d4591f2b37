import { hostname } from 'node:os'
import { join } from 'node:path'
import { type Clock, delay, systemClock } from '../clock.ts'
import { type FleetLease, type LeaseOptions, StateError, type StateStore } from '../state-store.ts'
import { FleetDatabase } from './fleet-database.ts'
import { fleetDirectory } from './fleet-directory.ts'
import { OwnerLock } from './owner-lock.ts'
import { SqliteLease } from './sqlite-lease.ts'

export interface SqliteStateStoreOptions {
  /** On a local disk; made, with 0700, when it does not exist. Each fleet has a directory of its own in it, see `fleetDirectory`. */
  readonly directory: string
  /** An owner that lives and gives no sign of life for so long has lost the fleet to whoever waits for it, milliseconds. Default 10,000. */
  readonly stallMs?: number
  readonly clock?: Clock
}

const pollMs = 250
const tellMs = 30_000

/**
 * Keeps each fleet's state in an SQLite file of its own, in WAL mode. Writes of one turn of the event loop are one transaction. Intents (`launch`, `removal`) and `fleet` records survive the loss of
 * power; the rest survives the end of the process at once, and the loss of power a second later.
 */
export class SqliteStateStore implements StateStore {
  readonly #options: Required<SqliteStateStoreOptions>
  readonly #leases = new Set<SqliteLease>()
  readonly #closing = new AbortController()

  constructor({ directory, stallMs = 10_000, clock = systemClock }: SqliteStateStoreOptions) {
    this.#options = { directory, stallMs, clock }
  }

  async lease(fleet: string, { signal, onWait, takeover = false }: LeaseOptions = {}): Promise<FleetLease> {
    const { directory, clock } = this.#options
    const ended = AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])])
    ended.throwIfAborted()
    const place = fleetDirectory(directory, fleet)
    const database = new FleetDatabase(place)
    let lock: OwnerLock | undefined
    try {
      lock = new OwnerLock(join(place, 'owner.lock'))
      if (!lock.tryTake() && !takeover) await this.#waitForEnd(database, lock, ended, onWait)
      const epoch = database.take(`process ${process.pid} on ${hostname()}`)
      const lease: SqliteLease = new SqliteLease({ fleet, epoch, database, lock, clock, onEnd: () => this.#leases.delete(lease) })
      this.#leases.add(lease)
      return lease
    } catch (error) {
      database.close()
      lock?.close()
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new StateError('closed', 'the state store was closed'))
    await Promise.all(Array.from(this.#leases, (lease) => lease.release()))
  }

  /** Resolves when the owner released the fleet, its process has ended, or it has given no sign of life for too long by our own clock: two machines' clocks need not agree. */
  async #waitForEnd(database: FleetDatabase, lock: OwnerLock, signal: AbortSignal, onWait: LeaseOptions['onWait']): Promise<void> {
    const { clock, stallMs } = this.#options
    const startedAt = clock.now()
    let seen = database.lease()
    let seenAt = startedAt
    for (let toldAt = Number.NEGATIVE_INFINITY; ; ) {
      if (clock.now() - toldAt >= tellMs) {
        toldAt = clock.now()
        onWait?.({ name: seen.owner ?? 'a process that has just begun or ended', waitedMs: toldAt - startedAt })
      }
      await delay(clock, pollMs, signal)
      if (lock.tryTake()) return
      const row = database.lease()
      if (row.beat !== seen.beat || row.epoch !== seen.epoch) seenAt = clock.now()
      else if (clock.now() - seenAt >= stallMs) return
      seen = row
    }
  }
}
