import { type StateChange, StateError } from '../state-store.ts'
import type { Durability, EncodedChange } from './fleet-database.ts'

/** Characters of JSON. */
export interface GroupCommitLimits {
  /** How much may wait to be written. One write alone may be larger. */
  readonly waiting: number
  /**
   * With more than this a commit takes no further write: what it holds is copied several times on its way to the disk.
   */
  readonly commit: number
}

const defaultLimits: GroupCommitLimits = { waiting: 256 << 20, commit: 8 << 20 }

type Commit = (changes: readonly EncodedChange[], durability: Durability) => Promise<void>

/**
 * Collects what is written within one turn of the event loop, and while the commit before is under way, and commits it
 * as one.
 */
export class GroupCommit {
  readonly #commit: Commit
  readonly #limits: GroupCommitLimits
  /** In the order of their commits; the last takes what comes. */
  #batches: Batch[] = []
  #isScheduled = false
  #underWay = 0
  #waiting = 0

  /** `commit` rejects when nothing of it was written, and is done in the order of its calls. */
  constructor(commit: Commit, limits: GroupCommitLimits = defaultLimits) {
    this.#commit = commit
    this.#limits = limits
  }

  /**
   * The promise is that of the whole batch. Rejects with `StateError` `backlog` when too much waits already; nothing of
   * it is written then.
   */
  add(changes: readonly StateChange[]): Promise<void> {
    const encoded = changes.map(({ kind, key, value }) => ({
      kind,
      key,
      json: value === null ? null : JSON.stringify(value),
    }))
    const size = encoded.reduce((sum, { key, json }) => sum + key.length + (json?.length ?? 0), 0)
    if (this.#waiting > 0 && this.#waiting + size > this.#limits.waiting)
      return Promise.reject(
        new StateError('backlog', `the state is written too slowly: ${this.#waiting} characters are waiting already`),
      )
    const last = this.#batches.at(-1)
    const batch = last === undefined || last.size > this.#limits.commit ? new Batch() : last
    if (batch !== last) this.#batches.push(batch)
    this.#schedule()
    this.#waiting += size
    batch.add(encoded, size)
    if (changes.some(({ survives }) => survives === 'power')) batch.durability = 'power'
    return batch.done
  }

  /** Commits now what was added, behind what is under way. */
  flush(): void {
    for (const batch of this.#batches.splice(0)) void this.#perform(batch)
  }

  async #perform(batch: Batch): Promise<void> {
    this.#underWay += 1
    try {
      await this.#commit([...batch.changes.values()], batch.durability)
      batch.resolve()
    } catch (error) {
      batch.reject(error)
    } finally {
      this.#underWay -= 1
      this.#waiting -= batch.size
      this.#schedule()
    }
  }

  /** Not before the end of the turn: whoever waited for one commit may have something for the next. */
  #schedule(): void {
    if (this.#batches.length === 0 || this.#isScheduled || this.#underWay > 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      const batch = this.#batches.shift()
      if (batch !== undefined) void this.#perform(batch)
    })
  }
}

class Batch {
  readonly changes: Map<string, EncodedChange> = new Map()
  durability: Durability = 'process'
  size = 0
  readonly done: Promise<void>
  resolve = (): void => {}
  reject = (_error: unknown): void => {}

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  add(changes: readonly EncodedChange[], size: number): void {
    this.size += size
    // A later change of a record replaces an earlier one. Nobody sees the state in between: a batch is written whole.
    for (const change of changes) this.changes.set(`${change.kind}\n${change.key}`, change)
  }
}
