/**
 * The closed error vocabulary of the job API client.
 *
 * - `invalid_config`: the client cannot work as configured: a certificate file that cannot be read, a URL that is none.
 * - `unreachable`: no connection, or it ended before the whole answer had come.
 * - `timeout`: connected, but no answer in time.
 * - `untrusted`: the server's certificate, or ours, was not accepted.
 * - `refused`: 401 or 403: the token is not accepted (any more).
 * - `rejected`: another 4xx, or a redirect.
 * - `rate_limited`: 429 on every try.
 * - `server_error`: 5xx on every try.
 * - `bad_answer`: an answer that the protocol does not know.
 * - `invalid_job`: a job was handed out that cannot be understood; the message names everything that is wrong with it.
 * - `unfinished`: the server took the job's end, but never said that it was done with it.
 */
export type JobApiErrorCode =
  | 'invalid_config'
  | 'unreachable'
  | 'timeout'
  | 'untrusted'
  | 'refused'
  | 'rejected'
  | 'rate_limited'
  | 'server_error'
  | 'bad_answer'
  | 'invalid_job'
  | 'unfinished'

export interface JobApiErrorOptions {
  readonly status?: number
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/** Thrown, or handed over as a result, when the coordinator could not be asked or its answer was no use. */
export class JobApiError extends Error {
  override readonly name = 'JobApiError'
  readonly code: JobApiErrorCode
  /** HTTP status of the last answer, where there was one. */
  readonly status: number | undefined
  /** How long the server asked us to wait before the next try, milliseconds, where it did. */
  readonly retryAfterMs: number | undefined

  constructor(code: JobApiErrorCode, message: string, options: JobApiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status
    this.retryAfterMs = options.retryAfterMs
  }
}
