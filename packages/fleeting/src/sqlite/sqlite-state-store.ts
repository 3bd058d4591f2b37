import { hostname } from 'node:os'
import { type Clock, delay, systemClock } from '../clock.ts'
import { type FleetLease, type LeaseOptions, StateError, type StateStore } from '../state-store.ts'
import { FleetDatabase } from './fleet-database.ts'
import { fleetDirectory, ownerLockFile, successorLockFile } from './fleet-directory.ts'
import { ProcessLock } from './process-lock.ts'
import { SqliteLease } from './sqlite-lease.ts'

export interface SqliteStateStoreOptions {
  /** On a local disk; made, with 0700, when it does not exist. Each fleet has a directory of its own in it, see `fleetDirectory`. */
  readonly directory: string
  /** An owner that lives and gives no sign of life for so long has lost the fleet to whoever waits for it, milliseconds. Default 10,000. */
  readonly stallMs?: number
  /** With `takeover`, how long an owner that lives may take to hand the fleet over before it is taken by force, milliseconds; a third of it without a sign of life is enough. Default 15,000. */
  readonly handOverMs?: number
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

  constructor({ directory, stallMs = 10_000, handOverMs = 15_000, clock = systemClock }: SqliteStateStoreOptions) {
    this.#options = { directory, stallMs, handOverMs, clock }
  }

  async lease(fleet: string, { signal, onWait, takeover = false }: LeaseOptions = {}): Promise<FleetLease> {
    const { directory, clock } = this.#options
    const ended = AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])])
    ended.throwIfAborted()
    const place = fleetDirectory(directory, fleet)
    const database = new FleetDatabase(place)
    const locks: ProcessLock[] = []
    const open = (file: string): ProcessLock => {
      const lock = new ProcessLock(file)
      locks.push(lock)
      return lock
    }
    try {
      const lock = open(ownerLockFile(place))
      const successor = open(successorLockFile(place))
      if (!lock.tryTake()) await this.#waitForEnd({ database, lock, ...(takeover && { successor }) }, ended, onWait)
      const epoch = database.take(`process ${process.pid} on ${hostname()}`)
      successor.letGo()
      const lease: SqliteLease = new SqliteLease({
        fleet,
        epoch,
        database,
        lock,
        successor,
        clock,
        onEnd: () => this.#leases.delete(lease),
      })
      this.#leases.add(lease)
      return lease
    } catch (error) {
      database.close()
      for (const lock of locks) lock.close()
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new StateError('closed', 'the state store was closed'))
    await Promise.all(Array.from(this.#leases, (lease) => lease.release()))
  }

  /**
   * Resolves when the owner released the fleet, its process has ended, or it has given no sign of life for too long by our own clock: two machines' clocks need not agree. With `successor` it is asked for
   * the fleet as long as this lasts, and has a bounded time for that.
   */
  async #waitForEnd({ database, lock, successor }: Waiting, signal: AbortSignal, onWait: LeaseOptions['onWait']): Promise<void> {
    const { clock, handOverMs } = this.#options
    const stallMs = successor === undefined ? this.#options.stallMs : handOverMs / 3
    const startedAt = clock.now()
    let seen = database.lease()
    let seenAt = startedAt
    let askedAt: number | undefined
    for (let toldAt = Number.NEGATIVE_INFINITY; ; ) {
      if (successor?.tryTake()) askedAt ??= clock.now()
      if (askedAt !== undefined && clock.now() - askedAt >= handOverMs) return
      if (clock.now() - toldAt >= tellMs) {
        toldAt = clock.now()
        onWait?.({ name: seen.owner ?? 'a process that has just begun or ended', waitedMs: toldAt - startedAt })
      }
      await delay(clock, pollMs, signal)
      if (lock.tryTake()) return
      const row = database.lease()
      if (row.beat !== seen.beat || row.epoch !== seen.epoch) seenAt = clock.now()
      else if (clock.now() - seenAt >= stallMs) return
      // Somebody else was quicker, and has as long for it.
      if (row.epoch !== seen.epoch) askedAt = undefined
      seen = row
    }
  }
}

interface Waiting {
  readonly database: FleetDatabase
  /** The owner's. */
  readonly lock: ProcessLock
  /** Taken to ask for the fleet; absent: it is only waited for. */
  readonly successor?: ProcessLock
}
