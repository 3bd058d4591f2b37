import type { Logger } from '../../contract/logger.ts'
import type { InstanceChange } from './instance.ts'

export type ChangeListener = (changes: readonly InstanceChange[]) => void

/** Tells listeners what changed. One that throws is logged, and keeps nobody else from hearing it. */
export class ChangeFeed {
  readonly #listeners = new Set<ChangeListener>()
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(changes: readonly InstanceChange[]): void {
    for (const listener of this.#listeners) {
      try {
        listener(changes)
      } catch (error) {
        this.#logger.error({ err: error }, 'a change listener failed')
      }
    }
  }
}
