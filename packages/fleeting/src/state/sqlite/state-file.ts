import { type BigIntStats, chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ownerLockFile } from '../fleet-directory.ts'
import { StateError } from '../state-store.ts'

/** SQLite's own names for the log of what was written, and for the index of that. */
const suffixes = ['', '-wal', '-shm'] as const

/**
 * The files of one fleet's database. SQLite writes into those that it has open, wherever their names lead to now: this
 * notices when a name is gone, or leads to another file.
 */
export class StateFile {
  readonly path: string
  #seen: readonly bigint[] | undefined

  /**
   * Makes the file, and its directory, for this user alone. Thrown: `StateError` `gone` when there was one and it was
   * removed; what `node:fs` throws.
   */
  constructor(directory: string) {
    this.path = join(directory, 'state.db')
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    if (!existsSync(this.path)) {
      // The lock is made after the state: a lock without it belongs to a fleet whose instances and jobs were known.
      if (existsSync(ownerLockFile(directory))) throw this.#gone('was removed before this start')
      closeSync(openSync(this.path, 'a', 0o600))
    }
    chmodSync(this.path, 0o600)
  }

  /** Remembers the files as they are now, as soon as the database has them open. Thrown: `StateError` `gone`. */
  remember(): void {
    this.#seen = this.#look()
  }

  /** Thrown: `StateError` `gone` when they are others than those that were remembered. */
  check(): void {
    const seen = this.#seen
    if (seen !== undefined && this.#look().some((number, index) => number !== seen[index]))
      throw this.#gone('was replaced while it was in use')
  }

  /** The size of the log of what was written, bytes. */
  get walBytes(): number {
    return statSync(`${this.path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  }

  /** Two numbers a file: on which disk, and which there. */
  #look(): readonly bigint[] {
    return suffixes.flatMap((suffix) => {
      const stats = statOrNothing(`${this.path}${suffix}`)
      if (stats === undefined)
        throw this.#gone(`${suffix === '' ? 'was removed' : `has lost its file ${suffix}`} while it was in use`)
      return [stats.dev, stats.ino]
    })
  }

  #gone(how: string): StateError {
    return new StateError(
      'gone',
      `state file ${this.path} ${how}: restore it, or move its directory away to start without its contents`,
    )
  }
}

function statOrNothing(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw error
  }
}
