/** A duration as log fields that end in `_seconds` hold it: seconds, to the millisecond. */
export function loggedSeconds(durationMs: number): number {
  return Math.round(durationMs) / 1000
}
