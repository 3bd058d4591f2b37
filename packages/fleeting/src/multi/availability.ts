import type { GroupError, GroupErrorCode } from '../contract/errors.ts'

/**
 * Whether launches may go to a member now, as its answers have left it. *Open* without limit; *closed* after a refusal;
 * then, where the refusal was of the lasting kind, *on trial*: 1, 2, then 4 instances at a time, and open again once
 * three have run. A first success proves little: clouds often accept and fail later, and a stock-out ends machine by
 * machine.
 */
export interface Availability {
  /** Waves of refusals in a row; 0: open. */
  readonly failures: number
  /** Closed until then, on the scale of `Clock.now()`. */
  readonly until: number
  /** Instances that have run since the last refusal. */
  readonly proven: number
  /** The last refusal. */
  readonly error?: GroupError
}

export const openAvailability: Availability = { failures: 0, until: Number.NEGATIVE_INFINITY, proven: 0 }

/** Instances that must have run on trial before a member is open again. */
const provenNeeded = 3

/** These heal with time, but not within seconds, or only by an operator's hand. */
const lasting: ReadonlySet<GroupErrorCode> = new Set<GroupErrorCode>([
  'capacity',
  'quota',
  'auth',
  'invalid_config',
  'not_found',
])

const longestMs = 3_600_000
/** After all others: too many calls, another change under way, the network. */
const briefMs = 15_000
const longestBriefMs = 300_000

/**
 * After one more refusal. `noCapacityMs` is the first wait of the lasting kind; waits double with each wave, to an hour
 * at most, and no hint of the cloud is undercut. Refusals while closed are of the same wave.
 */
export function afterRefusal(before: Availability, error: GroupError, now: number, noCapacityMs: number): Availability {
  if (now < before.until) return before
  const failures = before.failures + 1
  const [firstMs, maxMs] = lasting.has(error.code) ? [noCapacityMs, longestMs] : [briefMs, longestBriefMs]
  const waitMs = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30))
  return { failures, until: now + Math.min(longestMs, Math.max(waitMs, error.retryAfterMs ?? 0)), proven: 0, error }
}

/** After `count` more instances came to run. */
export function afterProof(before: Availability, count: number, now: number): Availability {
  if (before.failures === 0 || now < before.until || count === 0) return before
  const proven = before.proven + count
  return isOnTrial(before, now) && proven < provenNeeded ? { ...before, proven } : openAvailability
}

/** How many instances may be on their way at a time; `Infinity`: any number. */
export function allowedAtOnce(availability: Availability, now: number): number {
  if (now < availability.until) return 0
  return isOnTrial(availability, now) ? 2 ** availability.proven : Number.POSITIVE_INFINITY
}

function isOnTrial({ until, error }: Availability, now: number): boolean {
  return error !== undefined && now >= until && lasting.has(error.code)
}
