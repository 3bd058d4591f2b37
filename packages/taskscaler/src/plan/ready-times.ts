const kept = 32
/** Assumed while no instance has become ready yet. */
export const unobservedReadyMs = 120_000

/**
 * How long instances take from request to ready: the 90th percentile of the last 32, so that a single slow one moves it
 * little and a slower cloud soon shows.
 */
export class ReadyTimes {
  #estimateMs: number | undefined
  readonly #observed: number[] = []

  /** Undefined before the first observation. */
  get estimateMs(): number | undefined {
    return this.#estimateMs
  }

  observe(durationMs: number): void {
    if (this.#observed.length === kept) this.#observed.shift()
    this.#observed.push(durationMs)
    const sorted = this.#observed.toSorted((a, b) => a - b)
    this.#estimateMs = sorted[Math.ceil(sorted.length * 0.9) - 1]
  }
}
