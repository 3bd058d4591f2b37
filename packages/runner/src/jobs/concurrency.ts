/** A bound on how much happens at once, shared by several who are served in the order in which they began to wait. */
export class Concurrency {
  /** `Infinity`: no bound. */
  readonly max: number
  #used = 0
  readonly #waiting = new Set<() => void>()

  constructor(max: number) {
    this.max = max
  }

  get used(): number {
    return this.#used
  }

  get free(): number {
    return this.max - this.#used
  }

  /**
   * True: there was room, and {@link release} gives it back. False: `wake` is called at each release from now on, until
   * a claim with it succeeds; those who have waited longest are called first. Claiming again is the caller's business.
   */
  claim(wake: () => void): boolean {
    if (this.free < 1) {
      this.#waiting.add(wake)
      return false
    }
    this.#waiting.delete(wake)
    this.#used += 1
    return true
  }

  /** Takes a place for what is under way already, beyond the bound where it must be; {@link release} gives it back. */
  occupy(): void {
    this.#used += 1
  }

  release(): void {
    // Nobody claims from within: a wake-up only makes a pass soon.
    this.#used -= 1
    for (const wake of this.#waiting) wake()
  }
}
