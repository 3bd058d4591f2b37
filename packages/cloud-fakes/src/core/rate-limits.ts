/** One of a cloud's token buckets. */
export interface RateLimit {
  /** The most that a burst can draw. */
  readonly size: number
  readonly perSecond: number
}

/** The token buckets of a cloud's API, by name. A bucket without a limit never runs dry. */
export class RateLimits {
  readonly #limits: Readonly<Record<string, RateLimit>>
  readonly #levels = new Map<string, { readonly tokens: number; readonly at: number }>()

  constructor(limits: Readonly<Record<string, RateLimit>>) {
    this.#limits = limits
  }

  /** How many tokens are left at clock time `now`; undefined: the bucket has no limit. */
  left(bucket: string, now: number): number | undefined {
    const limit = this.#limits[bucket]
    if (limit === undefined) return undefined
    const { tokens, at } = this.#levels.get(bucket) ?? { tokens: limit.size, at: now }
    return Math.min(limit.size, tokens + ((now - at) / 1000) * limit.perSecond)
  }

  /**
   * Draws `cost` tokens at clock time `now`, milliseconds. Answers how many milliseconds are missing: 0, and the tokens
   * are taken; more, and none is.
   */
  draw(bucket: string, cost: number, now: number): number {
    const limit = this.#limits[bucket]
    if (limit === undefined) return 0
    const level = this.left(bucket, now) ?? 0
    const missing = cost - level
    this.#levels.set(bucket, { tokens: missing > 0 ? level : level - cost, at: now })
    return missing > 0 ? Math.ceil((missing / limit.perSecond) * 1000) : 0
  }
}
