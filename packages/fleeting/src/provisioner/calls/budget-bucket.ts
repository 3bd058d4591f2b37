/** One published token bucket. */
export interface BucketLimits {
  readonly size: number
  readonly perSecond: number
}

/**
 * What is left in a bucket, as far as our own calls tell; others may draw from it too, which shows as throttling. Times
 * are `Clock.now()`.
 */
export interface BudgetBucket {
  readonly tokens: number
  readonly at: number
  /** Each step halves the rate at which tokens are believed to come back. */
  readonly strain: number
  readonly strainedAt: number
  /**
   * The cloud refused a call: until the bucket is half full again, no share of it is left to others. They go in order
   * of importance all the same, as fast as it fills.
   */
  readonly isRecovering: boolean
  /**
   * Before, no call begins: the cloud asked to wait. Then one does, whatever is believed to be left. Undefined: it has.
   */
  readonly trialAt: number | undefined
}

/** After so long without throttling a step of strain is taken back. */
const calmMs = 60_000
/** A hint of less is none. */
const minHintMs = 1000
/** A sixty-fourth of what was published. */
const maxStrain = 6

export function fullBucket({ size }: BucketLimits, now: number): BudgetBucket {
  return { tokens: size, at: now, strain: 0, strainedAt: now, isRecovering: false, trialAt: undefined }
}

/** The bucket at `now`. The time since is counted at the strain of its begin: rather too little than too much. */
export function refilled(bucket: BudgetBucket, limits: BucketLimits, now: number): BudgetBucket {
  const { tokens: before, at, strain, strainedAt, isRecovering, trialAt } = bucket
  const tokens = Math.min(limits.size, now === at ? before : before + ((now - at) / 1000) * rateOf(bucket, limits))
  const calmed = Math.min(strain, Math.floor((now - strainedAt) / calmMs))
  return {
    tokens,
    at: now,
    strain: strain - calmed,
    strainedAt: strainedAt + calmed * calmMs,
    isRecovering: isRecovering && tokens < limits.size / 2,
    trialAt,
  }
}

/**
 * After the cloud refused a call as one too many: it is empty, and fills more slowly for a while. Refusals within a
 * second are of the same wave. `retryAfterMs` is the cloud's hint: what it says of the bucket is better than what we
 * believe, so once it is over one call goes.
 */
export function afterThrottling(
  bucket: BudgetBucket,
  limits: BucketLimits,
  now: number,
  retryAfterMs?: number,
): BudgetBucket {
  const { strain, strainedAt, trialAt } = refilled(bucket, limits, now)
  const isSameWave = strain > 0 && now - strainedAt < 1000
  const hintedAt = retryAfterMs === undefined ? undefined : now + Math.max(retryAfterMs, minHintMs)
  return {
    tokens: 0,
    at: now,
    strain: isSameWave ? strain : Math.min(maxStrain, strain + 1),
    strainedAt: isSameWave ? strainedAt : now,
    isRecovering: true,
    trialAt: isSameWave && trialAt !== undefined ? Math.max(trialAt, hintedAt ?? 0) : hintedAt,
  }
}

/**
 * After a call. A call that costs more than the bucket can ever hold takes all of it; one on trial takes what there is.
 */
export function afterDraw(bucket: BudgetBucket, limits: BucketLimits, cost: number): BudgetBucket {
  const isOnTrial = bucket.trialAt !== undefined
  const left = bucket.tokens - Math.min(cost, limits.size)
  return { ...bucket, tokens: isOnTrial ? Math.max(0, left) : left, trialAt: undefined }
}

/** After the cloud said how much is left. */
export function afterReading(bucket: BudgetBucket, limits: BucketLimits, remaining: number, now: number): BudgetBucket {
  const filled = refilled(bucket, limits, now)
  return { ...filled, tokens: Math.min(filled.tokens, Math.max(0, remaining)) }
}

/**
 * How long until a call may draw `cost` and leave the share `reserve` of the bucket to calls that matter more,
 * milliseconds; 0: now. A bucket that is full refuses nobody.
 */
export function waitFor(bucket: BudgetBucket, limits: BucketLimits, cost: number, reserve: number): number {
  if (cost === 0) return 0
  const { tokens, at, trialAt, isRecovering } = bucket
  if (trialAt !== undefined) return Math.max(0, trialAt - at)
  const missing = Math.min(limits.size, cost + (isRecovering ? 0 : reserve * limits.size)) - tokens
  // What floating point leaves of a token is not waited for.
  return missing <= 1e-9 * limits.size ? 0 : Math.ceil((missing / rateOf(bucket, limits)) * 1000)
}

function rateOf({ strain }: BudgetBucket, { perSecond }: BucketLimits): number {
  return perSecond / 2 ** strain
}
