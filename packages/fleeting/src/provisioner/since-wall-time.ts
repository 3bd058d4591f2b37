import type { Clock } from '../contract/clock.ts'

/**
 * What an earlier process did at a wall time, on this clock's scale: never in the future, and now when nobody knows.
 * Wall clocks jump, so nothing may depend on it but what is shown.
 */
export function sinceWallTime(clock: Clock, atWallTime: unknown): number {
  const ago = typeof atWallTime === 'number' ? Math.max(0, clock.wallTime() - atWallTime) : 0
  return clock.now() - ago
}
