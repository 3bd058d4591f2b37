/** Tokens that were there at a moment. */
export interface TokenBucket {
  readonly tokens: number
  readonly at: number
}

export interface TokenBucketLimits {
  /** Refill, > 0, fractions of one too; `Infinity`: no limit. */
  readonly perSecond: number
  /** The most that can be saved up, ≥ 1. */
  readonly burst: number
}

/** The bucket at `now`: refilled, never above the burst. */
export function refill(bucket: TokenBucket, { perSecond, burst }: TokenBucketLimits, now: number): TokenBucket {
  if (perSecond === Infinity) return { tokens: burst, at: now }
  const elapsedMs = Math.max(0, now - bucket.at)
  return { tokens: Math.min(burst, bucket.tokens + (elapsedMs / 1000) * perSecond), at: now }
}
