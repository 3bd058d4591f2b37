/** One published token bucket. */
export interface BucketLimits {
  readonly size: number
  readonly perSecond: number
}

/** What is left in a bucket, as far as our own calls tell; others may draw from it too, which shows as throttling. Times are `Clock.now()`. */
export interface BudgetBucket {
  readonly tokens: number
  readonly at: number
  /** Each step halves the rate at which tokens are believed to come back. */
  readonly strain: number
  readonly strainedAt: number
}

/** After so long without throttling a step of strain is taken back. */
const calmMs = 60_000
/** A sixty-fourth of what was published. */
const mostStrain = 6

export function fullBucket({ size }: BucketLimits, now: number): BudgetBucket {
  return { tokens: size, at: now, strain: 0, strainedAt: now }
}

/** The bucket at `now`. The time since is counted at the strain of its begin: rather too little than too much. */
export function refilled(bucket: BudgetBucket, limits: BucketLimits, now: number): BudgetBucket {
  const { tokens, at, strain, strainedAt } = bucket
  const calmed = Math.min(strain, Math.floor((now - strainedAt) / calmMs))
  return {
    tokens: Math.min(limits.size, now === at ? tokens : tokens + ((now - at) / 1000) * rateOf(bucket, limits)),
    at: now,
    strain: strain - calmed,
    strainedAt: strainedAt + calmed * calmMs,
  }
}

/** After the cloud refused a call as one too many: it is empty, and fills more slowly for a while. Refusals within a second are of the same wave. */
export function afterThrottling(bucket: BudgetBucket, limits: BucketLimits, now: number): BudgetBucket {
  const { strain, strainedAt } = refilled(bucket, limits, now)
  const isSameWave = strain > 0 && now - strainedAt < 1000
  return { tokens: 0, at: now, strain: isSameWave ? strain : Math.min(mostStrain, strain + 1), strainedAt: isSameWave ? strainedAt : now }
}

/** After a call. A call that costs more than the bucket can ever hold takes all of it. */
export function afterDraw(bucket: BudgetBucket, limits: BucketLimits, cost: number): BudgetBucket {
  return { ...bucket, tokens: bucket.tokens - Math.min(cost, limits.size) }
}

/** How long until a call may draw `cost` and leave the share `reserve` of the bucket to calls that matter more, milliseconds; 0: now. A bucket that is full refuses nobody. */
export function waitFor(bucket: BudgetBucket, limits: BucketLimits, cost: number, reserve: number): number {
  if (cost === 0) return 0
  const missing = Math.min(limits.size, cost + reserve * limits.size) - bucket.tokens
  // What floating point leaves of a token is not waited for.
  return missing <= 1e-9 * limits.size ? 0 : Math.ceil((missing / rateOf(bucket, limits)) * 1000)
}

function rateOf({ strain }: BudgetBucket, { perSecond }: BucketLimits): number {
  return perSecond / 2 ** strain
}
