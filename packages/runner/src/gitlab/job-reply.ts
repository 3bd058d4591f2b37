import type { IncomingHttpHeaders } from 'node:http'
import type { HttpAnswer } from './http/exchange.ts'
import { JobApiError } from './http/job-api-error.ts'
import { askedWaitMs } from './http/retry-wait.ts'

/** What the coordinator answered to an update or a piece of trace. What a status means depends on the request. */
export interface JobReply {
  readonly status: number
  /** The job's state on the server, where it says so: `running`, `canceling`, `canceled`, `failed`, … */
  readonly jobStatus: string | undefined
  /** How long the runner should wait between pieces of trace, milliseconds > 0, where the server says so. */
  readonly updateIntervalMs: number | undefined
  /** Length of the trace on the server, bytes; 0 where it does not say so understandably. */
  readonly traceSize: number
  /** How long the server asks us to wait before the next try, milliseconds, where it does. */
  readonly retryAfterMs: number | undefined
  /** The server's words where it refused, or where it redirects to. */
  readonly message: string
}

/** Reads the parts of an answer that the protocol of a running job knows. */
export function readJobReply(answer: HttpAnswer, wallTime: number): JobReply {
  const { status, headers, body } = answer
  const seconds = Number(text(headers, 'x-gitlab-trace-update-interval'))
  return {
    status,
    jobStatus: text(headers, 'job-status') || undefined,
    updateIntervalMs: seconds > 0 && Number.isFinite(seconds) ? seconds * 1000 : undefined,
    traceSize: Number(/^\d+-(\d+)$/.exec(text(headers, 'range'))?.[1] ?? 0),
    retryAfterMs: askedWaitMs(answer, wallTime),
    message:
      status < 300 ? '' : status < 400 ? `to ${text(headers, 'location')}` : withoutStatus(status, errorMessage(body)),
  }
}

/** True when an update was refused because the job is over, or somebody else's. */
export function isNotOurs({ status = 0 }: { readonly status?: number | undefined }): boolean {
  return [400, 403, 404, 409].includes(status)
}

/**
 * True when a reply that refuses a piece of trace says that the job is over. Without a state, the refusal may be that
 * of something on the way, such as a firewall, or be about the piece alone.
 */
export function saysOver({ status, jobStatus }: Pick<JobReply, 'status' | 'jobStatus'>): boolean {
  return status === 403 && jobStatus !== undefined && !['pending', 'running', 'canceling'].includes(jobStatus)
}

/** The error that a status stands for that the caller has no use for. */
export function statusError(
  what: string,
  { status, message, retryAfterMs }: Pick<JobReply, 'status' | 'message' | 'retryAfterMs'>,
): JobApiError {
  const code =
    status === 401 || status === 403
      ? 'refused'
      : status === 429
        ? 'rate_limited'
        : status >= 500
          ? 'server_error'
          : status >= 300
            ? 'rejected'
            : 'bad_answer'
  return new JobApiError(code, `${what}: ${status}${message && ` ${message}`}`, { status, retryAfterMs })
}

/** `{"message": "text"}` or `{"message": {"field": ["a", "b"]}}`; of anything else its beginning. */
function errorMessage(body: Buffer): string {
  const plain = body.subarray(0, 300).toString().replace(/\s+/g, ' ').trim()
  try {
    const message: unknown = JSON.parse(body.toString()).message
    if (typeof message === 'string') return message
    return message === undefined ? plain : JSON.stringify(message)
  } catch {
    return plain
  }
}

/** GitLab repeats the status in its message: `403 Forbidden`. */
function withoutStatus(status: number, message: string): string {
  return message.startsWith(`${status} `) ? message.slice(`${status} `.length) : message
}

function text(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name]
  return typeof value === 'string' ? value : ''
}
