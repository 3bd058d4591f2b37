import type { CloudFaultKind } from '@runner-core/fleeting/testing'
import type { FakeAnswer, FakeApi, FakeRequest, Route, SpokenFault } from '../core/fake-server.ts'
import { ApiRefusal, json, refusal } from './answers.ts'
import { noRoom } from './managed-group.ts'
import { type Call, type GceCloud, gceMethods, type Method } from './methods.ts'
import { select } from './partial-response.ts'
import { tokenAnswer } from './tokens.ts'

/** What the service takes and fails at later, as an attempt's error. */
const lateFailures = {
  capacity: noRoom,
  quota: "QUOTA_EXCEEDED: Quota 'CPUS' exceeded. Limit: 24.0 in region.",
}

type Refusal = readonly [
  status: number,
  reason: string,
  message: string,
  options?: { readonly domain?: string; readonly errorInfoReason?: string },
]

const refusals: Readonly<Record<SpokenFault['kind'], Refusal>> = {
  throttled: [
    403,
    'rateLimitExceeded',
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'compute.googleapis.com'.",
    { domain: 'usageLimits', errorInfoReason: 'RATE_LIMIT_EXCEEDED' },
  ],
  quota: [403, 'quotaExceeded', "Quota 'IN_USE_ADDRESSES' exceeded. Limit: 8.0 in region."],
  capacity: [503, 'backendError', 'The service is short of resources.'],
  auth: [403, 'forbidden', "Required 'compute.instanceGroupManagers.update' permission for the group"],
  invalid_config: [
    400,
    'invalid',
    "Invalid value for field 'resource.instanceTemplate': the template refers to what does not exist.",
  ],
  conflict: [412, 'conditionNotMet', 'Another change is under way.'],
  server_error: [503, 'backendError', 'Backend Error'],
} satisfies Record<Exclude<CloudFaultKind, 'reset' | 'hang' | 'lost_answer'>, Refusal>

/** Finds the method that a request means, and speaks of faults as the service does. */
export class GceApi implements FakeApi {
  readonly #cloud: GceCloud
  readonly #methods: readonly (Method & { readonly verb: string; readonly pattern: RegExp })[]

  constructor(cloud: GceCloud) {
    this.#cloud = cloud
    this.#methods = gceMethods(cloud).map((method) => {
      const [verb = '', path = ''] = method.at.split(' ')
      return { ...method, verb, pattern: new RegExp(`^/compute/v1/${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`) }
    })
  }

  route(request: FakeRequest): Route | FakeAnswer {
    const token = tokenAnswer(request)
    if (token !== undefined) return token
    const { pathname } = request.url
    for (const { verb, pattern, operation, bucket, call, act } of this.#methods) {
      const match = verb === request.method ? pattern.exec(pathname) : null
      if (match === null) continue
      if (!/^Bearer \S/.test(request.headers.authorization ?? '')) return notLoggedIn
      const path = { ...match.groups }
      return { operation, bucket, ...(call !== undefined && { call }), act: () => this.#answer(request, path, act) }
    }
    return refusal(404, 'notFound', `The requested URL ${pathname} was not found on this server.`)
  }

  refuse({ kind, retryAfterMs }: SpokenFault, { call }: Route): FakeAnswer | undefined {
    if (call === 'increase' && (kind === 'capacity' || kind === 'quota')) {
      this.#cloud.group.nextFailure = lateFailures[kind]
      return undefined
    }
    const [status, reason, message, options] = refusals[kind]
    const headers = retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
    return refusal(status, reason, message, { ...options, headers })
  }

  async #answer({ url, body }: FakeRequest, path: Call['path'], act: Method['act']): Promise<FakeAnswer> {
    try {
      if (path['project'] !== this.#cloud.place.project)
        throw new ApiRefusal(404, 'notFound', `The resource 'projects/${path['project']}' was not found`)
      return json(
        select(await act({ path, query: url.searchParams, body: parseBody(body) }), url.searchParams.get('fields')),
      )
    } catch (error) {
      if (error instanceof ApiRefusal) return error.answer
      throw error
    }
  }
}

const notLoggedIn = refusal(401, 'required', 'Request is missing required authentication credential.')

/** Client libraries send `""` for a request without a body; the service bears it. */
function parseBody(body: string): Call['body'] {
  try {
    return Object(body === '' ? {} : JSON.parse(body)) as Call['body']
  } catch {
    throw new ApiRefusal(400, 'parseError', 'Parse Error')
  }
}
