import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { type Clock, delay, systemClock } from '../../contract/clock.ts'
import { fleetDirectory, ownerLockFile, successorLockFile } from '../fleet-directory.ts'
import { type FleetLease, type LeaseOptions, StateError, type StateStore } from '../state-store.ts'
import { directLink } from './database-link.ts'
import { threadLink } from './database-thread.ts'
import { FleetDatabaseClient } from './fleet-database-client.ts'
import { ProcessLock } from './process-lock.ts'
import { SqliteLease } from './sqlite-lease.ts'

export interface SqliteStateStoreOptions {
  /**
   * On a local disk; made, with 0700, when it does not exist. Each fleet has a directory of its own in it, see
   * `fleetDirectory`.
   */
  readonly directory: string
  /**
   * An owner that lives and gives no sign of life for so long has lost the fleet to whoever waits for it, milliseconds.
   * Default 10,000.
   */
  readonly stallMs?: number
  /**
   * With `takeover`, how long an owner that lives may take to hand the fleet over before it is taken by force,
   * milliseconds; a third of it without a sign of life is enough. Default 15,000.
   */
  readonly handOverMs?: number
  /**
   * Whether the files are read and written in a thread of their own, so that a slow disk keeps nothing else waiting.
   * Default true; false is for simulations, whose clock waits for no thread.
   */
  readonly thread?: boolean
  readonly clock?: Clock
}

const pollMs = 250
const tellMs = 30_000

/**
 * Keeps each fleet's state in an SQLite file of its own, in WAL mode. Writes of one turn of the event loop are one
 * transaction. What says so survives the loss of power once its write resolves; the rest survives the end of the
 * process at once, and the loss of power a second later.
 */
export class SqliteStateStore implements StateStore {
  readonly #options: Required<SqliteStateStoreOptions>
  readonly #leases = new Set<SqliteLease>()
  readonly #opening = new Set<Promise<unknown>>()
  readonly #closing = new AbortController()

  constructor({
    directory,
    stallMs = 10_000,
    handOverMs = 15_000,
    thread = true,
    clock = systemClock,
  }: SqliteStateStoreOptions) {
    this.#options = { directory, stallMs, handOverMs, thread, clock }
  }

  async lease(fleet: string, { signal, onWait, takeover = false }: LeaseOptions = {}): Promise<FleetLease> {
    const ended = AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])])
    ended.throwIfAborted()
    const opening = this.#lease(fleet, ended, takeover, onWait)
    this.#opening.add(opening)
    try {
      return await opening
    } finally {
      this.#opening.delete(opening)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new StateError('closed', 'the state store was closed'))
    await Promise.allSettled(this.#opening)
    await Promise.all(Array.from(this.#leases, (lease) => lease.release()))
  }

  async #lease(
    fleet: string,
    ended: AbortSignal,
    takeover: boolean,
    onWait: LeaseOptions['onWait'],
  ): Promise<FleetLease> {
    const { directory: top, stallMs, thread, clock } = this.#options
    const directory = fleetDirectory(top, fleet)
    const link = thread ? threadLink(resolve(top)) : directLink()
    // Who has been kept from the file for so long has lost the fleet to whoever waits for it.
    const database = new FleetDatabaseClient({ link, directory, patienceMs: stallMs, clock })
    const locks: ProcessLock[] = []
    const open = (file: string): ProcessLock => {
      const lock = new ProcessLock(file)
      locks.push(lock)
      return lock
    }
    const wait = new Wait(clock, ended, onWait)
    try {
      await whenUnlocked(() => database.open(), wait)
      const lock = open(ownerLockFile(directory))
      const successor = open(successorLockFile(directory))
      if (!lock.tryTake()) await this.#untilEnd({ database, lock, ...(takeover && { successor }) }, wait)
      // One that was stopped in the middle of a write keeps the file to itself until it goes on, or ends.
      const epoch = await whenUnlocked(() => database.take(`process ${process.pid} on ${hostname()}`), wait)
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
      if (!ended.aborted) return lease
      await lease.release()
      throw ended.reason
    } catch (error) {
      await database.close()
      for (const lock of locks) lock.close()
      throw error
    }
  }

  /**
   * Resolves when the owner released the fleet, its process has ended, or it has given no sign of life for too long by
   * our own clock: two machines' clocks need not agree. With `successor` it is asked for the fleet as long as this
   * lasts, and has a bounded time for that.
   */
  async #untilEnd({ database, lock, successor }: Waiting, wait: Wait): Promise<void> {
    const { clock, handOverMs } = this.#options
    const stallMs = successor === undefined ? this.#options.stallMs : handOverMs / 3
    let seen = await whenUnlocked(() => database.lease(), wait)
    let seenAt = clock.now()
    let askedAt: number | undefined
    for (;;) {
      if (successor?.tryTake()) askedAt ??= clock.now()
      if (askedAt !== undefined && clock.now() - askedAt >= handOverMs) return
      await wait.more(seen.owner ?? 'a process that has just started or ended')
      if (lock.tryTake()) return
      const row = await whenUnlocked(() => database.lease(), wait)
      if (row.beat !== seen.beat || row.epoch !== seen.epoch) seenAt = clock.now()
      else if (clock.now() - seenAt >= stallMs) return
      // Somebody else was quicker, and has as long for it.
      if (row.epoch !== seen.epoch) askedAt = undefined
      seen = row
    }
  }
}

/** Waits for as long as another process holds the file itself. */
async function whenUnlocked<T>(act: () => Promise<T>, wait: Wait): Promise<T> {
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (!(error instanceof StateError && error.code === 'busy')) throw error
      await wait.more('a process that has locked the state file')
    }
  }
}

/** A wait for another process. The caller is told whom it waits for, at once and then every 30 s. */
class Wait {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #onWait: LeaseOptions['onWait']
  readonly #startedAt: number
  #toldAt = Number.NEGATIVE_INFINITY
  #toldName: string | undefined

  constructor(clock: Clock, signal: AbortSignal, onWait: LeaseOptions['onWait']) {
    this.#clock = clock
    this.#signal = signal
    this.#onWait = onWait
    this.#startedAt = clock.now()
  }

  /** One `pollMs` more. `name` is who is waited for. Rejects with the reason of the signal. */
  async more(name: string): Promise<void> {
    const now = this.#clock.now()
    if (name !== this.#toldName || now - this.#toldAt >= tellMs) {
      this.#toldAt = now
      this.#toldName = name
      this.#onWait?.({ name, waitedMs: now - this.#startedAt })
    }
    await delay(this.#clock, pollMs, this.#signal)
  }
}

interface Waiting {
  readonly database: FleetDatabaseClient
  /** The owner's. */
  readonly lock: ProcessLock
  /** Taken to ask for the fleet; absent: it is only waited for. */
  readonly successor?: ProcessLock
}
