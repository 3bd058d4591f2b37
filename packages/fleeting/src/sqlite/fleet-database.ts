import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { StateChange, StateRecord, StateRecordKind } from '../state-store.ts'
import { asStateError } from './as-state-error.ts'
import { migrate, schemaVersion } from './schema.ts'

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

/** How long a statement waits for another process's transaction. Those are short: one that takes longer has stopped in the middle. */
const busyTimeoutMs = 2_000

/** The state file of one fleet. Every method is one transaction, and blocks for as long as it takes. Thrown by all: `StateError`. */
export class FleetDatabase {
  readonly #file: string
  readonly #database: DatabaseSync
  #durability: Durability | undefined
  #statements: Record<'epoch' | 'put' | 'remove', StatementSync> | undefined

  /** Opens the file, or makes it, and its directory, for this user alone. A file that is corrupt, or newer than this program, is left as it is. */
  constructor(directory: string) {
    this.#file = join(directory, 'state.db')
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      closeSync(openSync(this.#file, 'a', 0o600))
      chmodSync(this.#file, 0o600)
      this.#database = new DatabaseSync(this.#file, { timeout: busyTimeoutMs })
    } catch (error) {
      throw asStateError(this.#file, error)
    }
    try {
      this.#prepare()
    } catch (error) {
      this.#database.close()
      throw asStateError(this.#file, error)
    }
  }

  lease(): LeaseRow {
    return this.#try(() => this.#leaseRow())
  }

  /** Makes `owner` the owner, whoever had the fleet, and brings the file up to date. Answers the new epoch. */
  take(owner: string): number {
    return this.#transaction('power', () => {
      migrate(this.#database, this.#file)
      this.#database.prepare('UPDATE lease SET epoch = epoch + 1, owner = ?, beat = 0').run(owner)
      return this.#leaseRow().epoch
    })
  }

  /** Shows that the owner lives. False: somebody else has the fleet. */
  beat(epoch: number, durability: Durability): boolean {
    return this.#transaction(
      durability,
      () => this.#database.prepare('UPDATE lease SET beat = beat + 1 WHERE epoch = ? AND owner IS NOT NULL').run(epoch).changes === 1,
    )
  }

  giveBack(epoch: number): void {
    this.#transaction('power', () => this.#database.prepare('UPDATE lease SET owner = NULL WHERE epoch = ?').run(epoch))
  }

  load(kinds: readonly StateRecordKind[] | undefined): readonly StateRecord[] {
    return this.#try(() => {
      const condition = kinds === undefined ? '' : `WHERE kind IN (${kinds.map(() => '?').join(', ')})`
      const rows = this.#database.prepare(`SELECT kind, key, value FROM record ${condition} ORDER BY kind, key`).all(...(kinds ?? []))
      return rows.map(({ kind, key, value }) => ({ kind: kind as StateRecordKind, key: String(key), value: JSON.parse(String(value)) }))
    })
  }

  /** Writes all or none, if the epoch is still this one. Values are JSON. False: it is over, and nothing was written. */
  write(epoch: number, changes: Iterable<EncodedChange>, durability: Durability): boolean {
    return this.#transaction(durability, () => {
      this.#statements ??= {
        epoch: this.#database.prepare('SELECT 1 FROM lease WHERE epoch = ? AND owner IS NOT NULL'),
        put: this.#database.prepare('INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value'),
        remove: this.#database.prepare('DELETE FROM record WHERE kind = ? AND key = ?'),
      }
      if (this.#statements.epoch.get(epoch) === undefined) return false
      for (const { kind, key, json } of changes) {
        if (json === null) this.#statements.remove.run(kind, key)
        else this.#statements.put.run(kind, key, json)
      }
      return true
    })
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close()
  }

  #prepare(): void {
    const database = this.#database
    // Looked at before anything is changed: setting the journal mode writes to the file already.
    if (schemaVersion(database, this.#file) > 0) {
      const answer = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
      if (answer !== 'ok') throw Object.assign(new Error(String(answer)), { errcode: 11 })
    }
    database.exec('PRAGMA journal_mode = WAL')
    if (schemaVersion(database, this.#file) === 0) this.#transaction('power', () => migrate(database, this.#file))
  }

  #leaseRow(): LeaseRow {
    return this.#database.prepare('SELECT epoch, owner, beat FROM lease').get() as unknown as LeaseRow
  }

  #transaction<T>(durability: Durability, act: () => T): T {
    return this.#try(() => {
      if (durability !== this.#durability) this.#database.exec(`PRAGMA synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`)
      this.#durability = durability
      this.#database.exec('BEGIN IMMEDIATE')
      try {
        const result = act()
        this.#database.exec('COMMIT')
        return result
      } catch (error) {
        // Some errors, a full disk among them, have rolled it back already.
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
        throw error
      }
    })
  }

  #try<T>(act: () => T): T {
    try {
      return act()
    } catch (error) {
      throw asStateError(this.#file, error)
    }
  }
}

/** A change whose value is JSON already. */
export interface EncodedChange extends Pick<StateChange, 'kind' | 'key'> {
  readonly json: string | null
}
