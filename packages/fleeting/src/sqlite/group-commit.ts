import type { StateChange, StateRecordKind } from '../state-store.ts'
import type { Durability, EncodedChange } from './fleet-database.ts'

/**
 * What of each kind must survive. Intents of acts that cost money or destroy are on the disk before the act; the rest is in the kernel's hands when the write resolves, which the end of this process
 * cannot undo, and on the disk a second later.
 */
const durabilityOf: Readonly<Record<StateRecordKind, Durability>> = {
  launch: 'power',
  removal: 'power',
  fleet: 'power',
  instance: 'process',
  use: 'process',
  reservation: 'process',
  acquisition: 'process',
  job: 'process',
}

/** Collects what is written within one turn of the event loop, and commits it as one. */
export class GroupCommit {
  readonly #commit: (changes: Iterable<EncodedChange>, durability: Durability) => void
  #batch: Batch | undefined

  /** `commit` throws when nothing of it was written. */
  constructor(commit: (changes: Iterable<EncodedChange>, durability: Durability) => void) {
    this.#commit = commit
  }

  /** The promise is that of the whole batch. */
  add(changes: readonly StateChange[]): Promise<void> {
    this.#batch ??= this.#open()
    const batch = this.#batch
    for (const { kind, key, value } of changes) {
      // Later changes of the same record replace earlier ones: whoever reads the file sees whole batches only.
      batch.changes.set(`${kind}\n${key}`, { kind, key, json: value === null ? null : JSON.stringify(value) })
      if (value !== null && durabilityOf[kind] === 'power') batch.durability = 'power'
    }
    return batch.done
  }

  /** Commits now what was added. */
  flush(): void {
    const batch = this.#batch
    if (batch === undefined) return
    this.#batch = undefined
    try {
      this.#commit(batch.changes.values(), batch.durability)
      batch.resolve()
    } catch (error) {
      batch.reject(error)
    }
  }

  #open(): Batch {
    setImmediate(() => this.flush())
    return new Batch()
  }
}

class Batch {
  readonly changes: Map<string, EncodedChange> = new Map()
  durability: Durability = 'process'
  readonly done: Promise<void>
  resolve = (): void => {}
  reject = (_error: unknown): void => {}

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}
