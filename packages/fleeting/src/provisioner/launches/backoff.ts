import { type BackoffCurve, backoffMs } from '../../contract/backoff.ts'
import type { Random } from '../../contract/clock.ts'
import type { LaunchBackoff, LaunchFailureCode } from './launch-state.ts'

const second = 1000
const minute = 60 * second

/**
 * How launches wait, by what failed. Of the codes that are not here, `throttled` holds back every call, and the others
 * open the breaker.
 */
export const launchBackoffCurves: Readonly<Partial<Record<LaunchFailureCode, BackoffCurve>>> = {
  capacity: { baseMs: minute, maxMs: 10 * minute },
  quota: { baseMs: 5 * minute, maxMs: 60 * minute },
  not_ready: { baseMs: 2 * second, maxMs: 30 * second },
  conflict: { baseMs: 2 * second, maxMs: 30 * second },
  transient: { baseMs: 2 * second, maxMs: 2 * minute },
  expired: { baseMs: 30 * second, maxMs: 10 * minute },
  failed_boot: { baseMs: 10 * second, maxMs: 10 * minute },
}

/** How everything waits when the cloud finds our calls too many. */
const throttleCurve: BackoffCurve = { baseMs: 5 * second, maxMs: 5 * minute }

/** How `list` and deletes wait after a failure that is not a throttle. */
export const callBackoffCurve: BackoffCurve = { baseMs: 2 * second, maxMs: minute }

/** A hint above this is not believed. */
const longestHintMs = 60 * minute
/** Nor is one below this, for every call at once. */
const minHintMs = second

/**
 * How long every call waits after the `failures`-th `throttled` in a row: the first time as long as the cloud asked
 * for, if it did, and no longer.
 */
export function throttleMs(failures: number, random: Random, retryAfterMs: number | undefined): number {
  if (retryAfterMs === undefined) return backoffMs(throttleCurve, failures, random)
  const hint = Math.max(minHintMs, Math.min(retryAfterMs, longestHintMs))
  return failures === 1 ? hint + (hint * random()) / 10 : backoffMs(throttleCurve, failures - 1, random, hint)
}

/** These concern one placement; all others the whole group. */
const placementCodes: readonly LaunchFailureCode[] = ['capacity', 'quota', 'expired', 'failed_boot']

export interface LaunchFailure {
  readonly code: LaunchFailureCode
  readonly placement?: string | undefined
  readonly message: string
  readonly retryAfterMs?: number | undefined
  /** The launch had been accepted. */
  readonly late?: true
}

/**
 * The back-offs after one more failure. Failures while its own back-off still runs belong to the same wave and count
 * once; a failure long after the last one starts from the beginning.
 */
export function withFailure(
  backoffs: readonly LaunchBackoff[],
  failure: LaunchFailure,
  now: number,
  random: Random,
): readonly LaunchBackoff[] {
  const curve = launchBackoffCurves[failure.code]
  if (curve === undefined) return backoffs
  const placement = placementCodes.includes(failure.code) ? failure.placement : undefined
  const last = backoffs.find((backoff) => backoff.code === failure.code && backoff.placement === placement)
  if (last !== undefined && last.until > now) return backoffs
  const failures = last === undefined || now - last.until > curve.maxMs ? 1 : last.failures + 1
  const { code, message } = failure
  const late = failure.late ?? last?.late
  const until = now + backoffMs(curve, failures, random, failure.retryAfterMs)
  const next: LaunchBackoff = {
    ...(placement !== undefined && { placement }),
    code,
    failures,
    until,
    message,
    ...(late !== undefined && { late }),
  }
  return [...backoffs.filter((backoff) => backoff !== last), next]
}

/**
 * The back-offs after a launch into `placement` was accepted (`accepted`), or after one of its instances proved good
 * (`ready`).
 */
export function withSuccess(
  backoffs: readonly LaunchBackoff[],
  what: 'accepted' | 'ready',
  placement: string | undefined,
): readonly LaunchBackoff[] {
  const kept = backoffs.filter((backoff) => {
    const ofBoot = backoff.late === true || backoff.code === 'expired' || backoff.code === 'failed_boot'
    return ofBoot === (what === 'accepted') || (backoff.placement !== undefined && backoff.placement !== placement)
  })
  return kept.length === backoffs.length ? backoffs : kept
}
