import { GroupError, type GroupErrorCode, type GroupErrorOptions, isGroupError } from '@runner-core/fleeting'

/** What Azure said. */
export interface AzureFailure {
  /** HTTP status; undefined for how a machine or an operation ended. */
  readonly status?: number | undefined
  /** Azure's own code, for example `AllocationFailed`. */
  readonly code?: string | undefined
  readonly message: string
}

// Codes of failed deployments: learn.microsoft.com/azure/virtual-machines/error-codes and
// .../troubleshoot/azure/virtual-machines/allocation-failure; some from memory.
const byCode: Readonly<Record<string, GroupErrorCode>> = {
  AllocationFailed: 'capacity',
  ZonalAllocationFailed: 'capacity',
  OverconstrainedAllocationRequest: 'capacity',
  OverconstrainedZonalAllocationRequest: 'capacity',
  AllocationTimeout: 'capacity',
  SkuNotAvailable: 'capacity',
  SpotCapacityNotAvailable: 'capacity',
  QuotaExceeded: 'quota',
  ResourceQuotaExceeded: 'quota',
  SubnetIsFull: 'quota',
  SubnetWithinsufficientFreeAddresses: 'quota',
  PublicIPCountLimitReached: 'quota',
  OperationPreempted: 'conflict',
  Conflict: 'conflict',
  AuthorizationFailed: 'auth',
  LinkedAuthorizationFailed: 'auth',
  AuthenticationFailed: 'auth',
  RequestDisallowedByPolicy: 'invalid_config',
  InvalidParameter: 'invalid_config',
  BadRequest: 'invalid_config',
  ImageNotFound: 'invalid_config',
  PlatformImageNotFound: 'invalid_config',
  InvalidResourceReference: 'invalid_config',
  SubscriptionNotFound: 'not_found',
  ResourceGroupNotFound: 'not_found',
  ResourceNotFound: 'not_found',
}

const byStatus: Readonly<Record<number, GroupErrorCode>> = {
  400: 'invalid_config',
  401: 'auth',
  403: 'auth',
  404: 'not_found',
  409: 'conflict',
  412: 'conflict',
  429: 'throttled',
}

/**
 * The closed code for what Azure said. `OperationNotAllowed` is said of too many calls, of a quota and of a change
 * under way: the status and the text tell them apart.
 */
export function errorCode({ status, code = '', message }: AzureFailure): GroupErrorCode {
  if (status === 429) return 'throttled'
  if (/quota/i.test(`${code} ${message}`)) return 'quota'
  const known = Object.hasOwn(byCode, code) ? byCode[code] : undefined
  return known ?? byStatus[status ?? 0] ?? 'transient'
}

interface ErrorText {
  readonly code: string | undefined
  readonly message: string | undefined
}

/** Errors that are looked through for a cause: a launch of a whole set may fail with one for each machine. */
const longestDetails = 1000

/**
 * What an error in Resource Manager's envelope says. One such as `ResourceOperationFailure` only says that something
 * failed; the first of its details that is known is why.
 */
export function failureIn(error: unknown): ErrorText {
  const errors = [error]
  // Those found are looked through as well.
  for (let next = 0; next < errors.length; next += 1) {
    const text = textOf(errors[next])
    if (errorCode({ code: text.code, message: text.message ?? '' }) !== 'transient') return text
    const { details } = Object(errors[next]) as { readonly details?: unknown }
    if (Array.isArray(details)) errors.push(...details.slice(0, longestDetails - errors.length))
  }
  return textOf(error)
}

function textOf(error: unknown): ErrorText {
  const { code, message } = Object(error) as { readonly code?: unknown; readonly message?: unknown }
  return {
    code: typeof code === 'string' ? code : undefined,
    message: typeof message === 'string' ? message : undefined,
  }
}

export function asAzureError(doing: string, failure: AzureFailure, options?: GroupErrorOptions): GroupError {
  const { code, message } = failure
  return new GroupError(errorCode(failure), `${doing}: ${code === undefined ? '' : `${code}: `}${message}`, options)
}

/** What was thrown instead of an answer, as a {@link GroupError}. An abort's reason stays as it is. */
export function asThrown(doing: string, cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (isGroupError(cause) || !(cause instanceof Error)) return cause
  const { name, message } = cause
  // The identity library's own errors have none of Resource Manager's fields.
  if (/^(Aggregate)?Authentication|^Credential/.test(name)) return loginFailure(doing, message, cause)
  if (isUntrusted(cause)) {
    return new GroupError(
      'invalid_config',
      `${doing}: ${firstLine(message)}; name its authority in plugin_config.ca_file`,
      { cause },
    )
  }
  return asAzureError(doing, { message: firstLine(message) }, { cause })
}

/** For an answer that is not what was asked for, such as a list without rows. It is never taken for an empty list. */
export function unreadable(doing: string, cause: unknown): GroupError {
  // The SDK's own error quotes the whole answer.
  const isQuote = cause instanceof Error && cause.name === 'RestError'
  return new GroupError('transient', `${doing}: the answer has an unexpected form`, isQuote ? {} : { cause })
}

/**
 * The identity library hides why an authority could not be asked: a network that is down for a moment looks like a
 * certificate that is not trusted.
 */
function loginFailure(doing: string, message: string, cause: Error): GroupError {
  const { errors = [] } = cause as { readonly errors?: readonly Error[] }
  const tried = errors.map((error) => firstLine(error.message)).join('; ')
  const details = /More details:\s*(.+)/.exec(message)?.[1] ?? (tried || firstLine(message))
  if (!/endpoints_resolution_error|openid_config_error|network_error/.test(message)) {
    return new GroupError('auth', `${doing}: cannot log in: ${details}`, { cause })
  }
  const hint = 'if it is a private one, is its certificate trusted (plugin_config.ca_file or NODE_EXTRA_CA_CERTS)?'
  return new GroupError('transient', `${doing}: the token authority cannot be reached; ${hint} ${details}`, { cause })
}

function isUntrusted(error: Error): boolean {
  const { code = '' } = error as { readonly code?: string }
  return /self.signed certificate|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/i.test(`${error.message} ${code}`)
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
