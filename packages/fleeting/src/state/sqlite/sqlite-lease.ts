import type { CancelTimer, Clock } from '../../contract/clock.ts'
import { FencedError, type FleetLease, type StateChange, StateError, type StateRecord } from '../state-store.ts'
import type { FleetDatabaseClient } from './fleet-database-client.ts'
import { GroupCommit } from './group-commit.ts'
import type { ProcessLock } from './process-lock.ts'

/** From one sign of life to the next; also the longest that what was written may not have reached the disk. */
const beatMs = 1_000

/**
 * How soon after the end of a process that lost the fleet and lived on its lock is taken: who starts then must not find
 * it free.
 */
const lockMs = 100

export interface SqliteLeaseOptions {
  readonly fleet: string
  readonly epoch: number
  readonly database: FleetDatabaseClient
  readonly lock: ProcessLock
  /** Held by whoever asks for the fleet. */
  readonly successor: ProcessLock
  readonly clock: Clock
  readonly onEnd: () => void
}

export class SqliteLease implements FleetLease {
  readonly fleet: string
  readonly epoch: number
  readonly #options: SqliteLeaseOptions
  readonly #commits: GroupCommit
  readonly #lost = new AbortController()
  readonly #wanted = new AbortController()
  #isFrozen = false
  /** No write is accepted any more. */
  #isOver = false
  #release: Promise<void> | undefined
  #cancelBeat: CancelTimer
  #cancelLock: CancelTimer = () => {}

  constructor(options: SqliteLeaseOptions) {
    this.fleet = options.fleet
    this.epoch = options.epoch
    this.#options = options
    this.#commits = new GroupCommit(async (changes, durability) => {
      const { database, epoch } = this.#options
      if (!(await this.#orFence(() => database.write(epoch, changes, durability)))) throw this.#fence()
    })
    this.#cancelBeat = options.clock.after(beatMs, () => void this.#beat())
    this.#takeLock()
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  get wanted(): AbortSignal {
    return this.#wanted.signal
  }

  async load(kinds?: readonly string[]): Promise<readonly StateRecord[]> {
    if (this.#isOver) throw this.#fenced()
    this.#commits.flush()
    const records = await this.#orFence(() => this.#options.database.load(kinds))
    return records.map(({ kind, key, json }) => ({ kind, key, value: JSON.parse(json) }))
  }

  write(changes: readonly StateChange[]): Promise<void> {
    if (this.#isFrozen) return new Promise(() => {})
    return this.#isOver ? Promise.reject(this.#fenced()) : this.#commits.add(changes)
  }

  freeze(): void {
    this.#isFrozen = true
    this.#commits.flush()
  }

  release(): Promise<void> {
    this.#release ??= this.#giveBack()
    return this.#release
  }

  async #giveBack(): Promise<void> {
    this.#isOver = true
    this.#commits.flush()
    // Where the file cannot say so, the end of the lock does.
    await this.#options.database.giveBack(this.epoch).catch(() => {})
    await this.#end()
  }

  /** Initiated here, not in the database's thread: a process whose event loop hangs is to lose the fleet. */
  async #beat(): Promise<void> {
    const { database, epoch, clock } = this.#options
    try {
      if (!(await this.#orFence(() => database.beat(epoch)))) this.#fence()
      if (!this.#isOver && !this.#wanted.signal.aborted && this.#options.successor.isTaken())
        this.#wanted.abort(new Error(`another process asks for fleet ${this.fleet}`))
    } catch (error) {
      // A disk that is full now may have room later; whoever writes is told.
      if (!(error instanceof StateError || error instanceof FencedError)) throw error
    }
    if (!this.#isOver) this.#cancelBeat = clock.after(beatMs, () => void this.#beat())
  }

  /** Ours only later, when the fleet was taken from a process that still ran. */
  #takeLock(): void {
    try {
      if (this.#options.lock.tryTake()) return
    } catch (error) {
      if (!(error instanceof StateError)) throw error
    }
    this.#cancelLock = this.#options.clock.after(lockMs, () => this.#takeLock())
  }

  /** Some errors end the lease: nothing can be kept any more, so that nothing may be done. */
  async #orFence<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      if (error instanceof StateError && (error.code === 'gone' || this.#options.database.hasEnded))
        throw this.#fence(error)
      throw error
    }
  }

  #fence(cause?: StateError): FencedError {
    // Its own release says of an epoch that it is over as well.
    if (this.#release === undefined) {
      this.#isOver = true
      this.#release = this.#end()
      this.#lost.abort(this.#fenced(cause))
    }
    return this.#fenced()
  }

  #fenced(cause?: StateError): FencedError {
    return this.#lost.signal.reason ?? new FencedError(this.fleet, this.epoch, cause)
  }

  async #end(): Promise<void> {
    this.#cancelBeat()
    this.#cancelLock()
    await this.#options.database.close()
    this.#options.lock.close()
    this.#options.successor.close()
    this.#options.onEnd()
  }
}
