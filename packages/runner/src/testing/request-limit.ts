const windowMs = 60_000

/** So many requests a minute, in windows of a minute, as Rails counts them. */
export class RequestLimit {
  readonly #perMinute: number
  #windowStartedAt = Number.NEGATIVE_INFINITY
  #count = 0

  constructor(perMinute: number) {
    this.#perMinute = perMinute
  }

  /** Counts a request. Returns 0 when it is within the limit, otherwise the seconds until the next window. */
  count(now: number): number {
    if (now - this.#windowStartedAt >= windowMs) {
      this.#windowStartedAt = now
      this.#count = 0
    }
    this.#count += 1
    return this.#count <= this.#perMinute ? 0 : Math.ceil((this.#windowStartedAt + windowMs - now) / 1000)
  }
}
