import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { StateChange } from '../state-store.ts'
import { asStateError, isFull } from './as-state-error.ts'
import { migrate, schemaVersion } from './schema.ts'
import { SpaceReserve } from './space-reserve.ts'
import { StateFile } from './state-file.ts'

/** Who has the fleet, as the file says. */
export interface LeaseRow {
  readonly epoch: number
  /** Null: nobody. */
  readonly owner: string | null
  /** Counts up while the owner lives. */
  readonly beat: number
}

/** `process`: what is written survives the end of the process, in whatever way. `power`: that of the machine too. */
export type Durability = 'process' | 'power'

/** What the log of what was written is cut to once all of it is in the file, bytes. */
const walLimitBytes = 4 << 20

/** Pages of 4 KB in the log after which it is copied into the file: fewer than the reserve has room for. */
const walPages = 256

/**
 * What is free in the file goes back to the disk when it is more than this, and than a quarter of the file; so much of
 * it at a time, pages of 4 KB.
 */
const freePages = { kept: 256, atOnce: 4096 } as const

/**
 * A file from before `auto_vacuum` is written anew, once, when it holds no more than this: within a second or so.
 * Bytes.
 */
const rewrittenBytes = 64 << 20

/**
 * The state file of one fleet. Every method is one transaction, and blocks for as long as the disk takes, but for no
 * other process: it throws `busy` then. Thrown by all: `StateError`; `gone` when the file has been removed or replaced.
 */
export class FleetDatabase {
  readonly #file: StateFile
  readonly #database: DatabaseSync
  readonly #reserve: SpaceReserve
  #durability: Durability | undefined
  /** Whether something was written that the disk may not have. */
  #isUnsynced = false
  #statements: Record<'epoch' | 'put' | 'remove', StatementSync> | undefined

  /**
   * Opens the file, or makes it, and its directory, for this user alone. A file that is corrupt, or newer than this
   * program, is left as it is.
   */
  constructor(directory: string) {
    this.#file = asKnown(directory, () => new StateFile(directory))
    this.#reserve = new SpaceReserve(`${this.#file.path}-reserve`, directory)
    this.#database = this.#try(() => new DatabaseSync(this.#file.path, { timeout: 0 }))
    try {
      this.#try(() => this.#prepare())
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  lease(): LeaseRow {
    return this.#try(() => this.#leaseRow())
  }

  /** Makes `owner` the owner, whoever had the fleet, and brings the file up to date. Answers the new epoch. */
  take(owner: string): number {
    const epoch = this.#transaction('power', () => {
      migrate(this.#database, this.#file.path)
      this.#database.prepare('UPDATE lease SET epoch = epoch + 1, owner = ?, beat = 0').run(owner)
      return this.#leaseRow().epoch
    })
    this.#ifPossible(() => this.#becomeShrinkable())
    this.#ifPossible(() => this.#reserve.takeIfRoom())
    return epoch
  }

  /**
   * Shows that the owner lives, has on the disk what was written until now, and gives the disk back what is free.
   * False: somebody else has the fleet.
   */
  beat(epoch: number): boolean {
    const isOurs = this.#transaction(
      this.#isUnsynced ? 'power' : 'process',
      () =>
        this.#database.prepare('UPDATE lease SET beat = beat + 1 WHERE epoch = ? AND owner IS NOT NULL').run(epoch)
          .changes === 1,
    )
    this.#isUnsynced = false
    if (isOurs) this.#ifPossible(() => this.#shrink())
    if (isOurs) this.#ifPossible(() => this.#reserve.takeIfRoom())
    return isOurs
  }

  giveBack(epoch: number): void {
    this.#transaction('power', () => this.#database.prepare('UPDATE lease SET owner = NULL WHERE epoch = ?').run(epoch))
  }

  load(kinds: readonly string[] | undefined): readonly EncodedRecord[] {
    return this.#try(() => {
      this.#file.check()
      const condition = kinds === undefined ? '' : `WHERE kind IN (${kinds.map(() => '?').join(', ')})`
      const rows = this.#database
        .prepare(`SELECT kind, key, value FROM record ${condition} ORDER BY kind, key`)
        .all(...(kinds ?? []))
      return rows.map(({ kind, key, value }) => ({
        kind: String(kind),
        key: String(key),
        json: String(value),
      }))
    })
  }

  /**
   * Writes all or none, if the epoch is still this one. Values are JSON. False: it is over, and nothing was written.
   */
  write(epoch: number, changes: readonly EncodedChange[], durability: Durability): boolean {
    const isOurs = this.#transaction(durability, () => {
      this.#statements ??= {
        epoch: this.#database.prepare('SELECT 1 FROM lease WHERE epoch = ? AND owner IS NOT NULL'),
        put: this.#database.prepare(
          'INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
        ),
        remove: this.#database.prepare('DELETE FROM record WHERE kind = ? AND key = ?'),
      }
      if (this.#statements.epoch.get(epoch) === undefined) return false
      for (const { kind, key, json } of changes) {
        if (json === null) this.#statements.remove.run(kind, key)
        else this.#statements.put.run(kind, key, json)
      }
      return true
    })
    // One that waits for the disk takes along all that was written before.
    this.#isUnsynced = durability === 'process'
    return isOurs
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close()
  }

  #prepare(): void {
    const database = this.#database
    // Looked at before anything is changed: setting the journal mode writes to the file already.
    const isNew = schemaVersion(database, this.#file.path) === 0
    if (!isNew) {
      const answer = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
      if (answer !== 'ok') throw Object.assign(new Error(String(answer)), { errcode: 11 })
    }
    // Holds for a file that has no table yet.
    if (isNew) database.exec('PRAGMA auto_vacuum = INCREMENTAL')
    database.exec('PRAGMA journal_mode = WAL')
    database.exec(`PRAGMA journal_size_limit = ${walLimitBytes}; PRAGMA wal_autocheckpoint = ${walPages}`)
    if (isNew) this.#transaction('power', () => migrate(database, this.#file.path))
    this.#leaseRow()
    this.#file.remember()
  }

  /**
   * Reads and writes all that is kept, once in the life of a file: the space of what was deleted could not be given
   * back otherwise.
   */
  #becomeShrinkable(): void {
    const used = this.#number('page_count') - this.#number('freelist_count')
    if (this.#number('auto_vacuum') !== 0 || used * this.#number('page_size') > rewrittenBytes) return
    this.#database.exec('PRAGMA auto_vacuum = INCREMENTAL; VACUUM')
  }

  #shrink(): void {
    const free = this.#number('freelist_count')
    if (free > freePages.kept && free > this.#number('page_count') / 4)
      this.#database.exec(`PRAGMA incremental_vacuum(${freePages.atOnce})`)
    if (this.#file.walBytes > walLimitBytes) this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  #number(pragma: 'auto_vacuum' | 'freelist_count' | 'page_count' | 'page_size'): number {
    return Number(this.#database.prepare(`PRAGMA ${pragma}`).get()?.[pragma])
  }

  /** What fails here loses nothing, and is tried again with the next beat or start. False: it failed. */
  #ifPossible(act: () => void): boolean {
    try {
      act()
      return true
    } catch {
      // Full, locked, or no room for a temporary file; what is worse shows in the next write.
      return false
    }
  }

  #leaseRow(): LeaseRow {
    return this.#database.prepare('SELECT epoch, owner, beat FROM lease').get() as unknown as LeaseRow
  }

  #transaction<T>(durability: Durability, act: () => T): T {
    return this.#try(() => {
      try {
        return this.#attempt(durability, act)
      } catch (error) {
        if (!isFull(error) || !this.#makeRoom()) throw error
        return this.#attempt(durability, act)
      }
    })
  }

  /**
   * Copies the log into the file, with the room of the reserve, which is for nothing else. False: there was none, or it
   * could not be taken again.
   */
  #makeRoom(): boolean {
    if (!this.#reserve.free()) return false
    this.#ifPossible(() => this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)'))
    return this.#ifPossible(() => this.#reserve.take())
  }

  #attempt<T>(durability: Durability, act: () => T): T {
    if (durability !== this.#durability)
      this.#database.exec(`PRAGMA synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`)
    this.#durability = durability
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      this.#file.check()
      const result = act()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      // Some errors, a full disk among them, have rolled it back already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  #try<T>(act: () => T): T {
    return asKnown(this.#file.path, act)
  }
}

function asKnown<T>(file: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw asStateError(file, error)
  }
}

/** A change whose value is JSON already. */
export interface EncodedChange extends Pick<StateChange, 'kind' | 'key'> {
  readonly json: string | null
}

export interface EncodedRecord extends Pick<StateChange, 'kind' | 'key'> {
  readonly json: string
}
