/** `[[runners.autoscaler.policy]]`, parsed; the meaning is upstream's. */
export interface IdlePolicy {
  /** Five-field cron expressions read as ranges of time: the policy is in force while the current minute matches one. Default `['* * * * *']`. */
  readonly periods: readonly string[]
  /** IANA name. Default: the system's zone. */
  readonly timezone?: string
  /** Free capacity to keep, in jobs, not machines. Default 0. */
  readonly idleCount: number
  /** How long an instance may be without work before it is removed, milliseconds. Default 0. */
  readonly idleTimeMs: number
  /** Free capacity as a factor of the capacity in use: the target is `max(idleCount, inUse × scaleFactor)`. Default 0. */
  readonly scaleFactor: number
  /** Upper bound of `inUse × scaleFactor`, in jobs; 0 = none. Default 0. */
  readonly scaleFactorLimit: number
  /** True: a reservation needs a ready slot. False: it may be against capacity that can still be made. Default: `idleCount > 0`. */
  readonly preemptiveMode?: boolean
}

/** In force when no policy matches, or none was given: nothing is kept in reserve, and an instance is removed after five minutes without work. */
export const defaultPolicy: IdlePolicy = { periods: ['* * * * *'], idleCount: 0, idleTimeMs: 300_000, scaleFactor: 0, scaleFactorLimit: 0 }

/** Whether a reservation needs a ready slot while `policy` is in force. Said explicitly it counts as said, also with `idleCount` 0. */
export function isPreemptive(policy: IdlePolicy): boolean {
  return policy.preemptiveMode ?? policy.idleCount > 0
}

/** Free capacity to keep while `acquired` slots are in use, in jobs: `max(idleCount, min(⌈acquired × scaleFactor⌉, scaleFactorLimit))`. */
export function idleTarget(policy: IdlePolicy, acquired: number): number {
  // The small subtraction keeps 10 × 1.1 at 11, which floating point makes 11.000000000000002.
  const scaled = Math.ceil(acquired * policy.scaleFactor - 1e-9)
  return Math.max(policy.idleCount, policy.scaleFactorLimit > 0 ? Math.min(scaled, policy.scaleFactorLimit) : scaled)
}
