import { GroupError, type GroupErrorCode, type GroupErrorOptions, readRetryAfter } from '@runner-core/fleeting'
import type { OperationError } from './compute-api.ts'

/**
 * Words of operations, attempts and refusals, by what they mean; the first that fits. Written from Google's pages on
 * resource errors and API quotas, and from memory: that a word has another meaning here is possible, so an unknown one
 * is `transient`.
 */
const words: readonly (readonly [GroupErrorCode, RegExp])[] = [
  ['capacity', /RESOURCE_?POOL_?EXHAUSTED|STOCKOUT|RESOURCE_AVAILABILITY/i],
  ['throttled', /RATE_?LIMIT_?EXCEEDED|RATE_EXCEEDED/i],
  ['quota', /QUOTA_?EXCEEDED|LIMIT_?EXCEEDED|IP_SPACE_EXHAUSTED/i],
  ['auth', /PERMISSION|FORBIDDEN|UNAUTHORIZED|ACCESS_?NOT_?CONFIGURED/i],
  ['conflict', /ALREADY_?EXISTS|IN_?USE|NOT_?READY|FINGERPRINT/i],
  // An attempt's unmet condition is an organisation's policy; a refusal's is a fingerprint, and is told apart by its
  // status.
  ['invalid_config', /INVALID|NOT_?FOUND|UNSUPPORTED|CONDITION_?NOT_?MET|NOT_?ALLOWED/i],
]

function codeOfWord(word: string): GroupErrorCode | undefined {
  return words.find(([, pattern]) => pattern.test(word))?.[0]
}

/** What an operation, or the last attempt to make a machine, failed with. */
export function asLateError(
  [error = {}]: readonly OperationError[],
  during: string,
  options: GroupErrorOptions = {},
): GroupError {
  const { code = 'an error without a code', message = '' } = error
  return new GroupError(codeOfWord(code) ?? 'transient', `${during}: ${code}${message && `: ${message}`}`, options)
}

/** An answer that is no success. */
export interface Refusal {
  readonly status: number
  readonly headers: Headers
  readonly data: unknown
}

/** The body of every refusal. */
interface ErrorBody {
  readonly error?: { readonly message?: string; readonly errors?: readonly { readonly reason?: string }[] }
}

/** A refusal as it came, on its way past the SDK. */
export class RefusedRequest extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(`HTTP ${refusal.status}`)
    this.refusal = refusal
  }
}

/** What the API refused. `wallTime` in milliseconds. */
export function asRefusalError(
  { status, headers, data }: Refusal,
  during: string,
  wallTime: number,
  options: GroupErrorOptions = {},
): GroupError {
  const { message = '', errors = [] } = (Object(data) as ErrorBody).error ?? {}
  const reason = errors[0]?.reason ?? ''
  const code = codeOfRefusal(status, reason)
  const retryAfterMs =
    readRetryAfter(headers.get('retry-after'), wallTime) ?? (code === 'throttled' ? nextMinute(wallTime) : undefined)
  const text = [during, `HTTP ${status}${reason && ` ${reason}`}`, message].filter(Boolean).join(': ')
  return new GroupError(code, text, { ...options, ...(retryAfterMs !== undefined && { retryAfterMs }) })
}

function codeOfRefusal(status: number, reason: string): GroupErrorCode {
  if (status === 429) return 'throttled'
  if (status === 404) return 'not_found'
  if (status === 412 || status === 409) return 'conflict'
  if (status >= 500) return codeOfWord(reason) === 'capacity' ? 'capacity' : 'transient'
  // A 403 may be about quotas or rates, a 400 about what is not ready.
  const word = codeOfWord(reason)
  if (word !== undefined && word !== 'invalid_config') return word
  if (status === 401 || status === 403) return 'auth'
  return status >= 400 ? 'invalid_config' : 'transient'
}

/**
 * Compute Engine refills its quotas at the start of a minute (cloud.google.com/compute/api-quota): asking before is
 * wasted.
 */
function nextMinute(wallTime: number): number {
  return 60_000 - (wallTime % 60_000)
}
