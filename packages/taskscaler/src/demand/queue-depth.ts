import type { Clock } from '@runner-core/fleeting'
import type { DemandSource } from './demand-source.ts'

export interface QueueDepthOptions {
  /** Appears in the reasons of a plan. */
  readonly name: string
  readonly clock: Clock
  /**
   * How long a value is valid, milliseconds, ≥ 0, so that a queue that is no longer reported does not keep instances.
   *
   * @defaultValue 60,000
   */
  readonly timeToLiveMs?: number
}

/**
 * A demand source for a queue whose length is reported now and then, such as GitLab's `queue_size`, which comes with
 * each job.
 */
export class QueueDepth implements DemandSource {
  readonly name: string
  readonly #clock: Clock
  readonly #timeToLiveMs: number
  readonly #listeners = new Set<() => void>()
  #depth = 0
  #setAt = Number.NEGATIVE_INFINITY

  constructor({ name, clock, timeToLiveMs = 60_000 }: QueueDepthOptions) {
    this.name = name
    this.#clock = clock
    this.#timeToLiveMs = timeToLiveMs
  }

  /** Sets how many jobs are in the queue now. */
  set(depth: number): void {
    const before = this.depth()
    this.#depth = depth
    this.#setAt = this.#clock.now()
    if (depth !== before) for (const wake of this.#listeners) wake()
  }

  depth(): number {
    return this.#clock.now() - this.#setAt < this.#timeToLiveMs ? this.#depth : 0
  }

  onChange(wake: () => void): () => void {
    this.#listeners.add(wake)
    return () => this.#listeners.delete(wake)
  }
}
