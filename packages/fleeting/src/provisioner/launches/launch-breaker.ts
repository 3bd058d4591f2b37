import { type BackoffCurve, backoffMs } from '../../contract/backoff.ts'
import type { Random } from '../../contract/clock.ts'
import type { GroupError, GroupErrorCode } from '../../contract/errors.ts'
import type { LaunchBreaker } from './launch-state.ts'

/**
 * What stops launches when it fails for good: whoever cannot list or remove must not make more. `boot`: launches were
 * accepted and failed later.
 */
export type BreakerOperation = 'list' | 'increase' | 'boot' | 'decrease'

interface Trip {
  readonly operation: BreakerOperation
  readonly code: GroupErrorCode
  readonly message: string
  readonly since: number
  readonly failures: number
  readonly probeAt: number
}

/** What keeps the breaker open; empty: closed. At most one trip for each operation. */
export type BreakerTrips = readonly Trip[]

const actions: Readonly<Partial<Record<GroupErrorCode, string>>> = {
  auth: 'check that the credentials are present, valid and allowed to do this',
  invalid_config: 'correct the configuration of the group or of its machine template',
  not_found: 'check that the group named in the configuration exists',
}

/** True for failures that waiting does not heal. */
export function tripsBreaker(code: GroupErrorCode): boolean {
  return actions[code] !== undefined
}

/** After a permanent failure of `operation`; each failure in a row makes the wait for the next probe longer. */
export function withTrip(
  trips: BreakerTrips,
  operation: BreakerOperation,
  error: GroupError,
  now: number,
  curve: BackoffCurve,
  random: Random,
): BreakerTrips {
  const last = trips.find((trip) => trip.operation === operation)
  const failures = (last?.failures ?? 0) + 1
  const probeAt = now + backoffMs(curve, failures, random, error.retryAfterMs)
  const next = { operation, code: error.code, message: error.message, since: last?.since ?? now, failures, probeAt }
  return [...trips.filter((trip) => trip !== last), next]
}

/**
 * After a launch that was asked for at `askedAt` was accepted. If it was to show whether boots work again, it takes its
 * time: the next one to show that waits as if it had just failed.
 */
export function withTrial(
  trips: BreakerTrips,
  askedAt: number,
  now: number,
  curve: BackoffCurve,
  random: Random,
): BreakerTrips {
  const isOnTrial = ({ operation, probeAt }: Trip): boolean => operation === 'boot' && askedAt >= probeAt
  if (!trips.some(isOnTrial)) return trips
  return trips.map((trip) =>
    isOnTrial(trip) ? { ...trip, probeAt: now + backoffMs(curve, trip.failures, random) } : trip,
  )
}

/** After `operation` worked. */
export function withoutTrip(trips: BreakerTrips, operation: BreakerOperation): BreakerTrips {
  return trips.some((trip) => trip.operation === operation)
    ? trips.filter((trip) => trip.operation !== operation)
    : trips
}

/**
 * `list` and `decrease` are tried again by themselves, so only a launch needs a half-open state, and only when nothing
 * else is broken.
 */
export function breakerAt(trips: BreakerTrips, now: number): LaunchBreaker {
  const worst = trips.find(({ operation }) => !isLaunch(operation)) ?? trips[0]
  if (worst === undefined) return { state: 'closed' }
  const { operation, code, message, since, probeAt } = worst
  const facts = { code, message: `${operation}: ${message}`, action: actions[code] ?? '', since }
  return isLaunch(operation)
    ? { state: now >= probeAt ? 'half_open' : 'open', ...facts, probeAt }
    : { state: 'open', ...facts }
}

/** Only a launch shows whether launches work again. */
function isLaunch(operation: BreakerOperation): boolean {
  return operation === 'increase' || operation === 'boot'
}
