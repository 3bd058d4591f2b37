import type { CancelTimer, Clock } from '../clock.ts'
import { FencedError, type FleetLease, type StateChange, StateError, type StateRecord, type StateRecordKind } from '../state-store.ts'
import type { Durability, EncodedChange, FleetDatabase } from './fleet-database.ts'
import { GroupCommit } from './group-commit.ts'
import type { ProcessLock } from './process-lock.ts'

/** From one sign of life to the next; also the longest that what was written may not have reached the disk. */
const beatMs = 1_000

/** How soon after the end of a process that lost the fleet and lived on its lock is taken: who starts then must not find it free. */
const lockMs = 100

export interface SqliteLeaseOptions {
  readonly fleet: string
  readonly epoch: number
  readonly database: FleetDatabase
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
  readonly #commits = new GroupCommit((changes, durability) => this.#commit(changes, durability))
  readonly #lost = new AbortController()
  readonly #wanted = new AbortController()
  #isFrozen = false
  #isOver = false
  /** Whether something was written that the disk may not have. */
  #isUnsynced = false
  #cancelBeat: CancelTimer
  #cancelLock: CancelTimer = () => {}

  constructor(options: SqliteLeaseOptions) {
    this.fleet = options.fleet
    this.epoch = options.epoch
    this.#options = options
    this.#cancelBeat = options.clock.after(beatMs, () => this.#beat())
    this.#takeLock()
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  get wanted(): AbortSignal {
    return this.#wanted.signal
  }

  async load(kinds?: readonly StateRecordKind[]): Promise<readonly StateRecord[]> {
    if (this.#isOver) throw new FencedError(this.fleet, this.epoch)
    this.#commits.flush()
    return this.#options.database.load(kinds)
  }

  write(changes: readonly StateChange[]): Promise<void> {
    if (this.#isFrozen) return new Promise(() => {})
    return this.#isOver ? Promise.reject(new FencedError(this.fleet, this.epoch)) : this.#commits.add(changes)
  }

  freeze(): void {
    this.#commits.flush()
    this.#isFrozen = true
  }

  async release(): Promise<void> {
    if (this.#isOver) return
    this.#commits.flush()
    try {
      this.#options.database.giveBack(this.epoch)
    } finally {
      this.#end()
    }
  }

  #commit(changes: Iterable<EncodedChange>, durability: Durability): void {
    const { database, epoch } = this.#options
    if (this.#isOver || !database.write(epoch, changes, durability)) throw this.#fence()
    this.#isUnsynced = durability === 'process'
  }

  #beat(): void {
    const { database, epoch, clock } = this.#options
    try {
      if (!database.beat(epoch, this.#isUnsynced ? 'power' : 'process')) {
        this.#fence()
        return
      }
      this.#isUnsynced = false
      if (!this.#wanted.signal.aborted && this.#options.successor.isTaken())
        this.#wanted.abort(new Error(`another process asks for fleet ${this.fleet}`))
    } catch (error) {
      // A disk that is full now may have room later; whoever writes is told.
      if (!(error instanceof StateError)) throw error
    }
    this.#cancelBeat = clock.after(beatMs, () => this.#beat())
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

  #fence(): FencedError {
    const error = new FencedError(this.fleet, this.epoch)
    if (!this.#isOver) {
      this.#end()
      this.#lost.abort(error)
    }
    return error
  }

  #end(): void {
    this.#isOver = true
    this.#cancelBeat()
    this.#cancelLock()
    this.#options.database.close()
    this.#options.lock.close()
    this.#options.successor.close()
    this.#options.onEnd()
  }
}
