import { type BackoffCurve, readRetryAfter } from '@runner-core/fleeting'
import type { HttpAnswer } from './exchange.ts'

/** Tries in all. */
export const maxTries = 5
/** No server makes us wait longer than this at once. */
const longestWaitMs = 10 * 60_000
/** After answers that ask for nothing. */
export const retryCurve: BackoffCurve = { baseMs: 100, maxMs: 60_000 }

/** True for statuses that say "later", not "no". */
export function isWorthRetrying(status: number): boolean {
  return [408, 429, 500, 502, 503, 504].includes(status) || status >= 512
}

/**
 * Milliseconds > 0 that the server asks us to wait: until `RateLimit-ResetTime`, measured on its own clock where it
 * sends its `Date`; else as `Retry-After` says, in seconds or as a date. Undefined where it asks for nothing. 10
 * minutes at most.
 */
export function askedWaitMs({ headers }: Pick<HttpAnswer, 'headers'>, wallTime: number): number | undefined {
  const serverTime = Date.parse(headers.date ?? '') || wallTime
  const untilReset = dateOf(headers['ratelimit-resettime']) - serverTime
  const askedMs = untilReset > 0 ? untilReset : (readRetryAfter(headers['retry-after'], serverTime) ?? 0)
  return askedMs > 0 ? Math.min(askedMs, longestWaitMs) : undefined
}

function dateOf(value: string | string[] | undefined): number {
  return typeof value === 'string' ? Date.parse(value) : Number.NaN
}
