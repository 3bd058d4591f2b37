import { DatabaseSync } from 'node:sqlite'
import { asStateError } from './as-state-error.ts'

/**
 * A lock that ends with its process, however that ends: an exclusive SQLite transaction on an empty file, which the
 * kernel holds. It tells at once that whoever had it was killed, where process numbers would deceive (they are used
 * again, and differ between containers).
 */
export class ProcessLock {
  readonly #database: DatabaseSync
  readonly #file: string
  #held = false

  constructor(file: string) {
    this.#file = file
    this.#database = new DatabaseSync(file, { timeout: 0 })
  }

  /** Takes the lock unless somebody has it. Answers whether it is ours. Thrown: `StateError`. */
  tryTake(): boolean {
    if (this.#held) return true
    try {
      this.#database.exec('BEGIN EXCLUSIVE')
      this.#held = true
    } catch (error) {
      const known = asStateError(this.#file, error)
      if (known.code !== 'busy') throw known
    }
    return this.#held
  }

  /**
   * Whether another has it now. Whoever tries to take it at this very moment may have to try again. Thrown:
   * `StateError`.
   */
  isTaken(): boolean {
    if (this.#held) return false
    const isFree = this.tryTake()
    this.letGo()
    return !isFree
  }

  letGo(): void {
    if (this.#held) this.#database.exec('ROLLBACK')
    this.#held = false
  }

  close(): void {
    this.#held = false
    this.#database.close()
  }
}
