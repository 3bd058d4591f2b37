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
