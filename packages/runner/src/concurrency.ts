/** A bound on how much happens at once. Claims are counted; whoever waits is told when one is given back. */
export class Concurrency {
  /** `Infinity`: no bound. */
  readonly max: number
  #used = 0
  readonly #listeners = new Set<() => void>()

  constructor(max: number) {
    this.max = max
  }

  get used(): number {
    return this.#used
  }

  get free(): number {
    return this.max - this.#used
  }

  /** True when there was room; then {@link release} gives it back. */
  claim(): boolean {
    if (this.free < 1) return false
    this.#used += 1
    return true
  }

  release(): void {
    this.#used -= 1
    for (const listener of this.#listeners) listener()
  }

  /** Calls `listener` after each release. Returns how to stop. */
  onRelease(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
