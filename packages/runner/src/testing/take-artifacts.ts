import type { ApiRequest, ReportViolation } from './api-request.ts'
import type { CoordinatorJob } from './coordinator-job.ts'
import { type Reply, refusal, reply } from './reply.ts'

/** Keeps what a running job uploads, as Rails does: each type once; the same bytes may come again. */
export function takeArtifacts(job: CoordinatorJob, { upload }: ApiRequest, report: ReportViolation): Reply {
  if (upload === undefined || upload === 'broken') return reply(500)
  if (upload === 'too_large') return refusal(413, 'Request Entity Too Large', { Connection: 'close' })
  if (upload === 'malformed') {
    report('body', 'no form with one file')
    return refusal(400, 'Bad Request')
  }
  const type = upload.type || 'archive'
  const other = job.uploads.find((earlier) => (earlier.type || 'archive') === type)
  if (other !== undefined && other.sha256 !== upload.sha256)
    return refusal(400, 'another artifact of the same type already exists')
  if (other === undefined) {
    job.uploads.push(upload)
    if (type === 'archive' && upload.bytes !== undefined)
      job.artifacts = { filename: upload.filename, bytes: upload.bytes }
  }
  return reply(201)
}
