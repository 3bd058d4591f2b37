import type { GroupErrorCode } from '../../contract/errors.ts'
import type { InstanceLimit } from './instance-limit.ts'

/**
 * Why launches wait: a group error's code; `expired` an accepted request never appeared; `failed_boot` an instance of
 * ours failed before it was ever proven good.
 */
export type LaunchFailureCode = GroupErrorCode | 'expired' | 'failed_boot'

/** Instances that were asked for and have not been seen yet. Times are `Clock.now()` milliseconds. */
export interface OutstandingLaunch {
  readonly launchToken: string
  readonly placement?: string
  /** How many are still to appear, ≥ 1. */
  readonly count: number
  readonly reason: string
  readonly requestedAt: number
  /**
   * `queued` not sent yet · `sent` the call is under way · `accepted` the cloud said yes · `uncertain` the answer was
   * lost: `list` is read before it is asked again.
   */
  readonly phase: 'queued' | 'sent' | 'accepted' | 'uncertain'
  /** Set while nobody knows whether an earlier process ever sent it. */
  readonly isUnconfirmed?: true
  /** When the capacity is given back if nothing appears. Absent until the cloud accepted, or may have. */
  readonly deadlineAt?: number
}

/** Launches wait until `until`; one entry for each placement and code that failed last. */
export interface LaunchBackoff {
  /** Absent: concerns the whole group. */
  readonly placement?: string
  readonly code: LaunchFailureCode
  /** Failures in a row, ≥ 1. */
  readonly failures: number
  readonly until: number
  /** The last failure, for people. */
  readonly message: string
  /** Launches were accepted and failed later, so only an instance that proves good ends it. */
  readonly late?: true
}

/**
 * The breaker for errors that do not heal by waiting. `open`: no launch until `probeAt`; `half_open`: one instance may
 * be launched as a probe, and its success closes the breaker. Where machines failed after they were accepted, only one
 * that proves good is a success; until then the breaker is `open` again, for as long as after a failure.
 */
export type LaunchBreaker =
  | { readonly state: 'closed' }
  | {
      readonly state: 'open' | 'half_open'
      readonly code: GroupErrorCode
      /** What failed. */
      readonly message: string
      /** What an operator can do about it. */
      readonly action: string
      readonly since: number
      /**
       * When a launch may show whether it works again. Absent: none can, since `list` or `decrease` failed; both are
       * tried again by themselves, and what works closes the breaker.
       */
      readonly probeAt?: number
    }

/** The token bucket of launches at one moment. */
export interface ThrottleState {
  /** Launches that may go at once; fractions accumulate. */
  readonly tokens: number
  /** Refill. `Infinity`: not throttled. */
  readonly perSecond: number
  readonly burst: number
}

/** All that decides whether and how many instances may be launched, as plain data: part of the scheduler's snapshot. */
export interface LaunchState extends InstanceLimit {
  readonly now: number
  /** Known instances, in whatever state. */
  readonly known: number
  readonly outstanding: readonly OutstandingLaunch[]
  readonly backoffs: readonly LaunchBackoff[]
  readonly breaker: LaunchBreaker
  readonly throttle: ThrottleState
  /** True while the provisioner launches nothing more: it is shutting down, or another process owns the fleet. */
  readonly closed: boolean
}

/**
 * How many instances may be launched now, and if none, what stands in the way and until when (absent: until something
 * else changes).
 */
export interface LaunchAllowance {
  readonly count: number
  readonly blockedBy?: 'closed' | 'max_instances' | 'breaker' | 'backoff' | 'throttle'
  readonly until?: number
}

/** The one rule for launching, used by `Provisioner.request` and by whoever plans with a `LaunchState`. Pure. */
export function launchAllowance(state: LaunchState, placement?: string): LaunchAllowance {
  if (state.closed) return { count: 0, blockedBy: 'closed' }
  const room = state.maxInstances - state.known - outstandingCount(state)
  if (room < 1) return { count: 0, blockedBy: 'max_instances' }
  if (state.breaker.state === 'open') return blocked(state.now, 'breaker', state.breaker.probeAt)
  const probing = state.breaker.state === 'half_open'
  if (probing && state.outstanding.some(({ phase }) => phase !== 'accepted')) return { count: 0, blockedBy: 'breaker' }
  const until = backoffUntil(state.backoffs, placement)
  if (until > state.now) return blocked(state.now, 'backoff', until)
  const { tokens, perSecond } = state.throttle
  if (tokens < 1) return blocked(state.now, 'throttle', state.now + ((1 - tokens) / perSecond) * 1000)
  return { count: probing ? 1 : Math.min(room, Math.floor(tokens)) }
}

/** A moment that has come already tells nothing about when to look again. */
function blocked(
  now: number,
  blockedBy: NonNullable<LaunchAllowance['blockedBy']>,
  until: number | undefined,
): LaunchAllowance {
  return { count: 0, blockedBy, ...(until !== undefined && until > now && { until }) }
}

/** Instances asked for and not seen yet. */
export function outstandingCount(state: LaunchState): number {
  return state.outstanding.reduce((sum, launch) => sum + launch.count, 0)
}

/** When every back-off that concerns `placement` is over; 0 when there is none. */
export function backoffUntil(backoffs: readonly LaunchBackoff[], placement: string | undefined): number {
  let until = 0
  for (const backoff of backoffs) {
    if (backoff.placement === undefined || backoff.placement === placement) until = Math.max(until, backoff.until)
  }
  return until
}
