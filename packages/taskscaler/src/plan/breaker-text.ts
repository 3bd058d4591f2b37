import type { LaunchBreaker } from '@runner-core/fleeting/provisioner'
import { durationText } from '../duration-text.ts'

/**
 * A launch breaker for people: whether anything is launched, what failed, what can be done about it and when the next
 * try is. Undefined: it is closed. `now` is on the scale of the breaker's times.
 */
export function breakerText(breaker: LaunchBreaker, now: number): string | undefined {
  if (breaker.state === 'closed') return undefined
  const { state, code, message, action, probeAt } = breaker
  const why = `(${code}: ${message}): ${action}`
  if (state === 'half_open') return `launches are on trial, one instance at a time, until one works ${why}`
  if (probeAt === undefined) return `launches are stopped until this works ${why}`
  return `launches are stopped ${why}, next try in ${durationText(probeAt - now)}`
}
