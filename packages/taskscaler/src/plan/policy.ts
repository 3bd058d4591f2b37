/** How much idle capacity to keep, and when. The meaning is that of `[[runners.autoscaler.policy]]`. */
export interface IdlePolicy {
  /**
   * Five-field cron expressions, read as ranges of time: the policy applies while the current minute matches one.
   *
   * @defaultValue `['* * * * *']`, always
   */
  readonly periods?: readonly string[]
  /** IANA name of the time zone that `periods` are read in. @defaultValue the system's time zone */
  readonly timezone?: string
  /** Free capacity to keep, in jobs, not instances. @defaultValue `0` */
  readonly idleCount?: number
  /** How long an instance may be idle before it is removed, milliseconds. @defaultValue `0` */
  readonly idleTimeMs?: number
  /**
   * Free capacity as a factor of the capacity in use: the target is `max(idleCount, inUse × scaleFactor)`.
   * @defaultValue `0`
   */
  readonly scaleFactor?: number
  /** Upper bound of `inUse × scaleFactor`, in jobs; 0 means no bound. @defaultValue `0` */
  readonly scaleFactorLimit?: number
  /**
   * True: a reservation needs a slot that is ready. False: it may also count on capacity that can still be launched.
   *
   * @defaultValue `false`
   */
  readonly preemptiveMode?: boolean
}

/** An {@link IdlePolicy} with its defaults filled in. */
export interface ResolvedPolicy extends Required<Omit<IdlePolicy, 'timezone'>> {
  readonly timezone?: string
}

export function resolvePolicy(policy: IdlePolicy): ResolvedPolicy {
  const { periods = ['* * * * *'], timezone, idleCount = 0, idleTimeMs = 0 } = policy
  const { scaleFactor = 0, scaleFactorLimit = 0, preemptiveMode = false } = policy
  const zone = timezone !== undefined && { timezone }
  return { periods, ...zone, idleCount, idleTimeMs, scaleFactor, scaleFactorLimit, preemptiveMode }
}

/**
 * Applies when no policy matches, or none was given: no idle capacity, and an instance is removed after five idle
 * minutes.
 */
export const defaultPolicy: ResolvedPolicy = resolvePolicy({ idleTimeMs: 300_000 })

/**
 * Free capacity to keep while `acquired` slots are in use, in jobs:
 * `max(idleCount, min(⌈acquired × scaleFactor⌉, scaleFactorLimit))`.
 */
export function idleTarget(policy: ResolvedPolicy, acquired: number): number {
  // The small subtraction keeps 10 × 1.1 at 11, which floating point makes 11.000000000000002.
  const scaled = Math.ceil(acquired * policy.scaleFactor - 1e-9)
  return Math.max(policy.idleCount, policy.scaleFactorLimit > 0 ? Math.min(scaled, policy.scaleFactorLimit) : scaled)
}
