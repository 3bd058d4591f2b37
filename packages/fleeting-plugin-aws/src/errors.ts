import {
  GroupError,
  type GroupErrorCode,
  type GroupErrorOptions,
  isGroupError,
  readRetryAfter,
} from '@runner-core/fleeting'

/** What the SDK throws: an answer of AWS, or a failure to get one. */
interface AwsError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

/**
 * AWS's codes, and the words of scaling activities, which often have no code. The first that matches counts. Codes are
 * from the service models and EC2's list of error codes; the words are from memory.
 */
const kinds: readonly (readonly [GroupErrorCode, RegExp])[] = [
  [
    'throttled',
    /Throttl|RequestLimitExceeded|RateExceeded|Rate exceeded|TooManyRequests|SlowDown|PriorRequestNotComplete/i,
  ],
  [
    'capacity',
    /Insufficient\w*Capacity|UnfulfillableCapacity|ReservationCapacityExceeded|SpotMaxPriceTooLow|sufficient .*capacity|no Spot capacity/i,
  ],
  [
    'quota',
    /LimitExceeded|InstanceCountExceeded|InsufficientFreeAddresses|enough free addresses|vCPU limit|quota allows/i,
  ],
  [
    'conflict',
    /ScalingActivityInProgress|ResourceContention|ResourceInUse|IdempotentCallInProgress|IncorrectInstanceState|EC2InstanceUnavailable/,
  ],
  ['not_ready', /EC2InstanceStateInvalid/],
  ['not_found', /InvalidInstanceID|EC2InstanceNotFound/],
  [
    'auth',
    /AccessDenied|Unauthorized|not authorized|AuthFailure|AuthException|CredentialsProvider|TokenProvider|ExpiredToken|InvalidClientToken|InvalidAccessKey|UnrecognizedClient|Signature|RequestExpired|MissingAuthenticationToken|OptInRequired|PendingVerification/i,
  ],
  [
    'invalid_config',
    /ValidationError|Invalid|Malformed|Missing|Mismatch|Unsupported|NotFound|NotPermitted|does not exist|not supported|Client\.InternalError/i,
  ],
]

/** What a code, or a sentence, of AWS means. Undefined: nothing that is known. */
export function meaningOf(words: string): GroupErrorCode | undefined {
  return kinds.find(([, pattern]) => pattern.test(words))?.[0]
}

/** What AWS answered, in the group's vocabulary. `during` says what was tried, for people. */
export function asAwsError(error: unknown, during: string, options: GroupErrorOptions = {}): GroupError {
  if (isGroupError(error)) return error
  const { name, message, $metadata, $response } = error as AwsError
  const retryAfterMs = retryAfter($response?.headers ?? {}, Date.now())
  const hint = retryAfterMs === undefined ? {} : { retryAfterMs }
  return new GroupError(codeOf(name, message, $metadata?.httpStatusCode), `${during}: ${name}: ${message}`, {
    ...options,
    ...hint,
    cause: error,
  })
}

function codeOf(name: string, message: string, status: number | undefined): GroupErrorCode {
  if (message.includes('Region is missing')) return 'invalid_config'
  const meaning = meaningOf(name)
  if (meaning !== undefined) return meaning
  if (status === undefined || status >= 500) return 'transient'
  if (status === 429) return 'throttled'
  return status === 401 || status === 403 ? 'auth' : 'invalid_config'
}

/** `x-amz-retry-after`, which the SDK itself heeds, is in milliseconds. */
function retryAfter(headers: Readonly<Record<string, string>>, wallTime: number): number | undefined {
  const ms = headers['x-amz-retry-after']
  return ms !== undefined && /^\d+$/.test(ms) ? Number(ms) : readRetryAfter(headers['retry-after'], wallTime)
}

/**
 * Whether the answer is none of AWS's own: an error page, for instance, of an emulator that does not know the request.
 */
export function isForeignAnswer({ cause }: GroupError): boolean {
  const headers = (cause as Partial<AwsError> | undefined)?.$response?.headers
  return headers !== undefined && !/xml|json/.test(headers['content-type'] ?? '')
}
