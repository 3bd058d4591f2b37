import type { Decision } from './decision.ts'

export interface DecisionLogOptions {
  /** Entries kept at most. Default 10,000. */
  readonly limit?: number
  /** Older ones are forgotten, milliseconds. Default 24 hours. */
  readonly maxAgeMs?: number
}

/** The last decisions, oldest first, bounded in number and age. Adding one costs the same however many there are. */
export class DecisionLog implements Iterable<Decision> {
  readonly #limit: number
  readonly #maxAgeMs: number
  readonly #ring: Decision[] = []
  /** Where the oldest one is. */
  #start = 0
  #size = 0

  constructor({ limit = 10_000, maxAgeMs = 24 * 3_600_000 }: DecisionLogOptions = {}) {
    this.#limit = limit
    this.#maxAgeMs = maxAgeMs
  }

  get size(): number {
    return this.#size
  }

  add(decision: Decision): void {
    while (
      this.#size > 0 &&
      (this.#size === this.#limit || decision.at - this.#ring[this.#start]!.at > this.#maxAgeMs)
    ) {
      this.#start = (this.#start + 1) % this.#limit
      this.#size--
    }
    this.#ring[(this.#start + this.#size) % this.#limit] = decision
    this.#size++
  }

  *[Symbol.iterator](): Generator<Decision> {
    for (let index = 0; index < this.#size; index++) yield this.#ring[(this.#start + index) % this.#limit]!
  }
}
