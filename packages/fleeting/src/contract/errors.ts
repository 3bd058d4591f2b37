/**
 * The closed error vocabulary of instance groups. Each code has exactly one consequence in the provisioner:
 *
 * - `capacity`: the cloud has no machine of this kind now. Consequence: launches back off, minutes.
 * - `quota`: an account limit is reached. Consequence: launches back off, longer; the status says which limit.
 * - `throttled`: too many API calls. Consequence: everything to this group waits for the retry hint, or backs off.
 * - `auth`: credentials are missing, wrong or lack a permission. Consequence: the launch breaker opens until an
 *   operator acts or a probe succeeds.
 * - `invalid_config`: the group or its template cannot work as configured. Consequence: the launch breaker opens, as
 *   for `auth`.
 * - `not_found`: the thing named does not exist. Consequence: of an instance: it is gone. Of the group: as
 *   `invalid_config`.
 * - `not_ready`: exists, but cannot answer yet. Consequence: asked again soon; nothing is counted as failed.
 * - `conflict`: another change is under way. Consequence: retried soon, from a fresh `list`.
 * - `transient`: network, time-out or a server's fault. Consequence: retried with back-off.
 */
export const groupErrorCodes = [
  'capacity',
  'quota',
  'throttled',
  'auth',
  'invalid_config',
  'not_found',
  'not_ready',
  'conflict',
  'transient',
] as const
export type GroupErrorCode = (typeof groupErrorCodes)[number]

export interface GroupErrorOptions {
  /** What the other side asked us to wait before the next try, in milliseconds. */
  readonly retryAfterMs?: number
  /** The instance concerned, where it is one. */
  readonly instanceId?: string
  /** With `throttled`: which of `GroupRateLimits.buckets` was empty. Default: any that the call draws from. */
  readonly bucket?: string
  readonly cause?: unknown
}

/** Thrown by an instance group when a call as a whole failed; also the shape of partial failures in results. */
export class GroupError extends Error {
  override readonly name = 'GroupError'
  readonly code: GroupErrorCode
  readonly retryAfterMs: number | undefined
  readonly instanceId: string | undefined
  readonly bucket: string | undefined

  constructor(code: GroupErrorCode, message: string, options: GroupErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryAfterMs = options.retryAfterMs
    this.instanceId = options.instanceId
    this.bucket = options.bucket
  }
}

/** True for a {@link GroupError}, also one made by another copy of this package (a plugin may bring its own). */
export function isGroupError(error: unknown): error is GroupError {
  return error instanceof Error && error.name === 'GroupError' && groupErrorCodes.includes((error as GroupError).code)
}

/**
 * What a group threw, as a {@link GroupError}: anything without a code counts as `transient`, so that it is retried
 * with back-off.
 */
export function asGroupError(error: unknown): GroupError {
  if (isGroupError(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  return new GroupError('transient', message, { cause: error })
}

/**
 * The closed error vocabulary of connections.
 *
 * - `refused_credentials`: the machine answered and refused the key or password. Consequence: the dial ends at once;
 *   the instance counts as unhealthy.
 * - `host_key_mismatch`: the machine's host key is not the known one. Consequence: the dial ends at once; the instance
 *   is removed, never used.
 * - `unreachable`: no working connection within the dial budget. Consequence: the instance counts as unhealthy.
 * - `connection_lost`: an open connection ended without our doing. Consequence: whatever ran on it ends as a system
 *   failure, never with an exit code.
 * - `expired`: the connect info is past its expiry. Consequence: connect info is asked for again.
 * - `invalid_config`: the connector settings cannot work (no user name, an unreadable key). Consequence: fails with its
 *   message; not retried.
 * - `channel_refused`: the machine refused another channel, although the connection is alive. Consequence: retried on
 *   another connection of the same instance.
 */
export const connectionErrorCodes = [
  'refused_credentials',
  'host_key_mismatch',
  'unreachable',
  'connection_lost',
  'expired',
  'invalid_config',
  'channel_refused',
] as const
export type ConnectionErrorCode = (typeof connectionErrorCodes)[number]

/** Thrown when a machine cannot be reached, or a connection to it ended. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  readonly code: ConnectionErrorCode

  constructor(code: ConnectionErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
  }
}

/** True for a {@link ConnectionError}, also one made by another copy of this package. */
export function isConnectionError(error: unknown): error is ConnectionError {
  return (
    error instanceof Error &&
    error.name === 'ConnectionError' &&
    connectionErrorCodes.includes((error as ConnectionError).code)
  )
}
