import type { Random } from '@runner-core/fleeting'

const firstMs = 500
const longestMs = 60_000
/** A plugin that ran for this long starts afresh: its last failure is no part of a series. */
const steadyMs = 60_000

/**
 * How long a plugin stays down after it ended for the `failures`-th time in a row (≥ 1): doubled each time, between
 * half and all of it.
 */
export function restartDelayMs(failures: number, random: Random): number {
  return (Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 20)) * (1 + random())) / 2
}

/** Failures in a row, with the one that ends a run of `ranMs`. */
export function failuresAfter(failures: number, ranMs: number): number {
  return ranMs >= steadyMs ? 1 : failures + 1
}
