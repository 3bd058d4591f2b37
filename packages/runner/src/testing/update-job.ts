import type { ApiRequest, ReportViolation } from './api-request.ts'
import type { CoordinatorJob } from './coordinator-job.ts'
import { knowsFailureReason } from './job-spec.ts'
import { type Reply, refusal, reply } from './reply.ts'

/**
 * `PUT jobs/:id` of an authenticated runner whose job has not ended; `extendAckWindow` gives it more time to accept the
 * job.
 */
export function updateJob(
  job: CoordinatorJob,
  request: ApiRequest,
  extendAckWindow: () => void,
  report: ReportViolation,
): Reply {
  const body = request.json ?? {}
  if (job.state === 'assigned') return acknowledge(job, body['state'], extendAckWindow, report)
  switch (body['state']) {
    case 'running':
      return reply(200)
    case 'pending':
      report('state', 'pending, although the job was accepted')
      return refusal(409, 'Conflict')
    case 'success':
    case 'failed':
      return finish(job, body, report)
    default:
      report('state', `got ${JSON.stringify(body['state'])}`)
      return refusal(400, 'Bad request')
  }
}

function acknowledge(job: CoordinatorJob, state: unknown, extendAckWindow: () => void, report: ReportViolation): Reply {
  switch (state) {
    case 'running':
      job.accept()
      return reply(200)
    case 'pending':
      extendAckWindow()
      return reply(200)
    default:
      report('not_accepted', `state ${JSON.stringify(state)} before the job was accepted`)
      return refusal(400, 'Bad request')
  }
}

function finish(job: CoordinatorJob, body: Readonly<Record<string, unknown>>, report: ReportViolation): Reply {
  const isFailure = body['state'] === 'failed'
  const output = body['output'] as { checksum?: unknown; bytesize?: unknown } | null | undefined
  const checksum = output?.checksum ?? body['checksum']
  const isMismatch = checksum !== job.trace.checksum || (output?.bytesize ?? job.trace.size) !== job.trace.size
  if (checksum === undefined || checksum === null) {
    // GitLab believes a runner that sends none. A runner has one unless the process that had the trace is gone.
    const isOrphan = isFailure && body['failure_reason'] === 'runner_system_failure'
    if (!isOrphan && !job.disturbed) report('checksum_absent', `with ${JSON.stringify(body['state'])}`)
  } else if (isMismatch) {
    if (!job.disturbed) {
      const expected = { checksum: job.trace.checksum, bytesize: job.trace.size }
      report('checksum_mismatch', `got ${JSON.stringify(output)}, received ${JSON.stringify(expected)}`)
    }
    return refusal(412, 'Precondition Failed')
  }
  const reason = body['failure_reason']
  if (
    isFailure
      ? typeof reason !== 'string' || !knowsFailureReason(job.spec, reason)
      : reason !== undefined && reason !== ''
  ) {
    report('failure_reason', `got ${JSON.stringify(reason)} with ${JSON.stringify(body['state'])}`)
  }
  const exitCode = body['exit_code']
  if (exitCode !== undefined && !(Number.isInteger(exitCode) && (isFailure || exitCode === 0))) {
    report('exit_code', `got ${JSON.stringify(exitCode)} with ${JSON.stringify(body['state'])}`)
  }
  const state = job.state === 'canceling' ? 'canceled' : isFailure ? 'failed' : 'success'
  job.end(
    state,
    isFailure ? (typeof reason === 'string' ? reason : 'script_failure') : undefined,
    typeof exitCode === 'number' ? exitCode : undefined,
  )
  return reply(200)
}
