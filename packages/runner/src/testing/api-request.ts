import type { IncomingHttpHeaders } from 'node:http'
import type { Endpoint } from './fault.ts'
import type { receiveUpload } from './receive-upload.ts'

/** One request to the job API, its body read to the end. */
export interface ApiRequest {
  readonly endpoint: Endpoint
  readonly jobId: number | undefined
  /** Method and URL as they came. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly raw: Buffer
  /** The body of an `upload`, in place of `raw`. */
  readonly upload?: Awaited<ReturnType<typeof receiveUpload>>
  /** The body as JSON; undefined where it is none. */
  readonly json: Readonly<Record<string, unknown>> | undefined
}

/** Takes note of something that a client must not do. */
export type ReportViolation = (rule: ViolationRule, detail: string) => void

/** The rules that clients are held to. */
export type ViolationRule =
  | 'unknown_endpoint'
  | 'content_type'
  | 'body'
  | 'headers'
  | 'token'
  | 'system_id'
  | 'info'
  | 'content_range'
  | 'chunk_size'
  | 'range_mismatch'
  | 'not_accepted'
  | 'request_after_end'
  | 'state'
  | 'checksum_mismatch'
  | 'checksum_absent'
  | 'failure_reason'
  | 'exit_code'
  | 'retried_too_early'

/**
 * Sorts a request by method, path and, for a PUT, by what it says; `awaitsAck` tells of a job whether its runner has
 * yet to accept it.
 */
export function classify(
  method: string,
  url: string,
  headers: IncomingHttpHeaders,
  raw: Buffer,
  awaitsAck: (jobId: number) => boolean,
): ApiRequest {
  const path = url.split('?', 1)[0] ?? ''
  const job = /^\/api\/v4\/jobs\/(\d+)(\/trace|\/artifacts)?$/.exec(path)
  const jobId = job === null ? undefined : Number(job[1])
  const json = headers['content-type']?.startsWith('application/json') ? parseObject(raw) : undefined
  return { endpoint: endpointOf(), jobId, target: `${method} ${url}`, headers, raw, json }

  function endpointOf(): Endpoint {
    if (jobId !== undefined && job?.[2] === '/artifacts')
      return method === 'GET' ? 'download' : method === 'POST' ? 'upload' : 'unknown'
    if (jobId !== undefined && job?.[2] !== undefined) return method === 'PATCH' ? 'trace' : 'unknown'
    if (jobId !== undefined) return method === 'PUT' ? updateKind(json?.['state'], awaitsAck(jobId)) : 'unknown'
    if (method !== 'POST') return 'unknown'
    if (path === '/api/v4/jobs/request') return 'request'
    return path === '/api/v4/runners/verify' ? 'verify' : 'unknown'
  }
}

function updateKind(state: unknown, isAwaited: boolean): Endpoint {
  if (state === 'running' && isAwaited) return 'accept'
  return state === 'running' || state === 'pending' ? 'keep_alive' : 'finish'
}

function parseObject(raw: Buffer): ApiRequest['json'] {
  try {
    const value: unknown = JSON.parse(raw.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
