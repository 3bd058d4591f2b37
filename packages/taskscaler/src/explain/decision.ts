/**
 * What was decided, or happened and was decided upon:
 *
 * - `policy`: another idle policy is in force.
 * - `increase`: instances were asked for.
 * - `launch_failed`: instances that were asked for do not come; `code` tells which failure it was.
 * - `hold`: more instances are wanted and cannot be asked for; `code` tells what is in the way.
 * - `resume`: nothing is in the way any more, since `at`; told a little later.
 * - `refuse`: no promise of a slot can be given, so no job is asked for; `code` tells why.
 * - `accept`: promises are given again, since `at`; told a little later.
 * - `seen`, `ready`, `unhealthy`, `healthy`, `interrupted`: what became known about an instance.
 * - `warming`: it was proven ready, and counts as ready once it has warmed, or a job needs it.
 * - `drain`, `remove`: an instance gets no more jobs; it is removed.
 * - `gone`, `lost`: an instance went, by our doing or without it.
 */
export type DecisionKind =
  | 'policy'
  | 'increase'
  | 'launch_failed'
  | 'hold'
  | 'resume'
  | 'refuse'
  | 'accept'
  | 'seen'
  | 'warming'
  | 'ready'
  | 'unhealthy'
  | 'healthy'
  | 'interrupted'
  | 'drain'
  | 'remove'
  | 'gone'
  | 'lost'

/** One entry of the record that answers why. Plain data, small, without secrets. */
export interface Decision {
  /** Wall time, milliseconds. */
  readonly at: number
  readonly kind: DecisionKind
  /** For people. */
  readonly reason: string
  /** Machine-readable, where the kind has one. */
  readonly code?: string
  /** How many instances. */
  readonly count?: number
  readonly placement?: string
  readonly instance?: string
}
