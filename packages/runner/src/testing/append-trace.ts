import type { ApiRequest, ReportViolation } from './api-request.ts'
import type { CoordinatorJob } from './coordinator-job.ts'
import { type Reply, refusal, reply } from './reply.ts'

/** No runner sends more at once. */
const maxChunkBytes = 1024 * 1024

/**
 * `PATCH jobs/:id/trace` of an authenticated runner: the body goes to where `Content-Range` starts, which must be the
 * end of what is there.
 */
export function appendTrace(
  job: CoordinatorJob,
  request: ApiRequest,
  traceLimitBytes: number,
  report: ReportViolation,
): Reply {
  const { headers, raw } = request
  if (!headers['content-type']?.startsWith('text/plain'))
    report('content_type', `expected text/plain, got ${headers['content-type'] ?? 'none'}`)
  const contentRange = headers['content-range']
  if (contentRange === undefined) {
    report('content_range', 'absent')
    return refusal(400, 'Missing header Content-Range')
  }
  const range = /^(\d+)-(\d+)$/.exec(contentRange)
  const start = Number(range?.[1] ?? Number.NaN)
  if (range === null || Number(range[2]) !== start + raw.length - 1) {
    report('content_range', `got ${contentRange} for ${raw.length} bytes, expected START-END with END inclusive`)
  }
  if (raw.length === 0) report('chunk_size', 'an empty patch')
  if (raw.length > maxChunkBytes) report('chunk_size', `${raw.length} bytes, at most ${maxChunkBytes} are sent at once`)

  if (start + raw.length > traceLimitBytes) {
    job.end('failed', 'trace_size_exceeded')
    return refusal(403, 'Forbidden')
  }
  const { trace } = job
  if (start !== trace.size) {
    if (!job.disturbed) report('range_mismatch', `starts at ${start}, ${trace.size} bytes are known`)
    return refusal(416, 'Range Not Satisfiable', { Range: `0-${trace.size}` })
  }
  job.append(raw)
  return reply(202, { Range: `0-${trace.size}` })
}
