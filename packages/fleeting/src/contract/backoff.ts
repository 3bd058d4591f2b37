import type { Random } from './clock.ts'

/** Waits double from the first to the longest. Milliseconds. */
export interface BackoffCurve {
  readonly baseMs: number
  readonly maxMs: number
}

/** A hint above this is not believed. */
const longestHintMs = 3_600_000

/**
 * How long to wait after the `failures`-th failure in a row (≥ 1), milliseconds: between half and all of the doubled
 * wait, so that many do not come back at once. What the other side asks for (`retryAfterMs`) is never undercut, unless
 * it is beyond an hour.
 */
export function backoffMs(
  { baseMs, maxMs }: BackoffCurve,
  failures: number,
  random: Random,
  retryAfterMs: number = 0,
): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30))
  const hint = Math.min(retryAfterMs, longestHintMs)
  return Math.max((full * (1 + random())) / 2, hint + (hint * random()) / 10)
}
