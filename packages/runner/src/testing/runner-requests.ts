import type { ApiRequest, ReportViolation } from './api-request.ts'
import { type Reply, refusal, reply } from './reply.ts'

/** Workhorse reads no more of a job request. */
const maxRequestBytes = 32 * 1024
const infoFields = ['name', 'version', 'revision', 'platform', 'architecture', 'executor', 'shell']

/** A runner whose request was found good. */
export interface KnownRunner {
  readonly token: string
  readonly features: Readonly<Record<string, boolean>>
  readonly lastUpdate: string | undefined
}

/** Checks what `verify` and `jobs/request` have in common. Returns the refusal, or the runner. */
export function authenticateRunner(
  request: ApiRequest,
  tokens: readonly string[],
  report: ReportViolation,
): Reply | KnownRunner {
  if (request.raw.length > maxRequestBytes) {
    report('body', `${request.raw.length} bytes, at most ${maxRequestBytes} are read`)
    return refusal(413, 'Request Entity Too Large')
  }
  const { json, headers } = request
  if (json === undefined) {
    report('body', `expected a JSON object as application/json, got ${headers['content-type'] ?? 'no content type'}`)
    return refusal(400, 'Bad request')
  }
  if (!headers['user-agent']) report('headers', 'no User-Agent')
  if (!headers.accept?.includes('application/json'))
    report('headers', `Accept is ${headers.accept ?? 'absent'}, expected application/json`)
  const token = json['token']
  if (typeof token !== 'string') {
    report('token', 'no token in the body')
    return refusal(400, 'token is missing')
  }
  if (headers['runner-token'] !== token) report('token', 'RUNNER-TOKEN is not the token of the body')
  if (!tokens.includes(token)) return refusal(403, 'Forbidden')
  const systemId = json['system_id']
  if (typeof systemId !== 'string' || !/^[sr]_[0-9a-zA-Z]{12}$/.test(systemId))
    report('system_id', `got ${JSON.stringify(systemId)}`)
  const lastUpdate = json['last_update']
  return {
    token,
    features: request.endpoint === 'request' ? featuresOf(json['info'], report) : {},
    lastUpdate: typeof lastUpdate === 'string' ? lastUpdate : undefined,
  }
}

/** `POST runners/verify` of a known runner. */
export function verified(runner: KnownRunner, tokens: readonly string[]): Reply {
  const body = { id: tokens.indexOf(runner.token) + 1, token: runner.token, token_expires_at: null }
  return { ...reply(200), body: JSON.stringify(body) }
}

function featuresOf(info: unknown, report: ReportViolation): Readonly<Record<string, boolean>> {
  if (typeof info !== 'object' || info === null) {
    report('info', 'absent')
    return {}
  }
  const fields = info as Record<string, unknown>
  for (const field of infoFields) if (typeof fields[field] !== 'string') report('info', `${field} is not a string`)
  const features = fields['features']
  if (
    typeof features !== 'object' ||
    features === null ||
    Object.values(features).some((value) => typeof value !== 'boolean')
  ) {
    report('info', 'features is not an object of booleans')
    return {}
  }
  return features as Record<string, boolean>
}
