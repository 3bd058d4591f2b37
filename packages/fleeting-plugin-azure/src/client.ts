import { createSecureContext } from 'node:tls'
import type { TokenCredential } from '@azure/core-auth'
import {
  bearerTokenAuthenticationPolicy,
  createDefaultHttpClient,
  createPipelineFromOptions,
  createPipelineRequest,
  type HttpClient,
  type HttpHeaders,
  type HttpMethods,
  type Pipeline,
  type PipelinePolicy,
  type PipelineResponse,
  type TlsSettings,
} from '@azure/core-rest-pipeline'
import { GroupError, readRetryAfter, type Tags, untilAbort } from '@runner-core/fleeting'
import type { AzureConfig } from './config.ts'
import { type AzureFailure, asAzureError, asThrown } from './errors.ts'
import { type Machine, type MachineBody, machineOf } from './machine.ts'
import type { Bucket } from './rate-limits.ts'
import { type ScaleSet, type ScaleSetBody, scaleSetOf } from './scale-set.ts'

/** Of Microsoft.Compute's API. */
const computeVersion = '2026-04-01'

/** A long-running operation: where it can be followed, and when Azure wants to be asked, milliseconds from its answer. */
export interface Operation {
  readonly url: string
  readonly retryAfterMs: number
}

/** How an operation stands. */
export type OperationStatus =
  | { readonly state: 'under way'; readonly retryAfterMs: number }
  | { readonly state: 'ended'; readonly failure: AzureFailure | undefined }

/** The few calls to Azure that a group makes. Each rejects with a `GroupError`, or the signal's reason once it aborts; none is retried here, so that what goes wrong is seen by whoever counts calls. */
export class AzureClient {
  readonly #config: AzureConfig
  readonly #pipeline: Pipeline
  readonly #http: HttpClient = createDefaultHttpClient()
  #headroom: Partial<Record<Bucket, number>> = {}

  constructor(config: AzureConfig) {
    this.#config = config
    this.#pipeline = pipelineOf(config)
  }

  /** What Azure's answers said is left of its rate limits, since this was last called. */
  takeHeadroom(): Readonly<Record<string, number>> {
    const headroom = this.#headroom
    this.#headroom = {}
    return headroom
  }

  /** Path of the set in Resource Manager. */
  get setPath(): string {
    return `${this.groupPath}/providers/Microsoft.Compute/virtualMachineScaleSets/${encodeURIComponent(this.#config.name)}`
  }

  /** Path of its resource group. */
  get groupPath(): string {
    const { subscriptionId, resourceGroup } = this.#config
    return `/subscriptions/${encodeURIComponent(subscriptionId)}/resourceGroups/${encodeURIComponent(resourceGroup)}`
  }

  async getSet(signal: AbortSignal): Promise<ScaleSet> {
    const url = this.#url(this.setPath, computeVersion)
    const { body } = await this.#read(`reading scale set ${this.#config.name}`, 'ScaleSetLowCostGet', url, signal)
    return scaleSetOf(body as ScaleSetBody)
  }

  /** Every machine of the set, in as many calls as there are pages. The instance view costs Azure more. */
  async listMachines(
    mode: 'Uniform' | 'Flexible',
    { withInstanceView = false }: { withInstanceView?: boolean },
    signal: AbortSignal,
  ): Promise<Machine[]> {
    const query = { ...(withInstanceView && { $expand: 'instanceView' }) }
    const url =
      mode === 'Uniform'
        ? this.#url(`${this.setPath}/virtualMachines`, computeVersion, query)
        : this.#url(`${this.groupPath}/providers/Microsoft.Compute/virtualMachines`, computeVersion, {
            ...query,
            // Compared with ids, which Azure writes without escapes.
            $filter: `'virtualMachineScaleSet/id' eq '${decodeURIComponent(this.setPath)}'`,
          })
    const doing = `listing the machines of scale set ${this.#config.name}`
    return (await this.#pages<MachineBody>(doing, listBucket[mode], url, signal)).map(machineOf)
  }

  /** One machine of the set by its id. Thrown: `not_found`. */
  async getMachine(mode: 'Uniform' | 'Flexible', id: string, signal: AbortSignal): Promise<Machine> {
    const base = mode === 'Uniform' ? this.setPath : `${this.groupPath}/providers/Microsoft.Compute`
    const url = this.#url(`${base}/virtualMachines/${encodeURIComponent(id)}`, computeVersion)
    const { body } = await this.#read(`reading machine ${id}`, 'ResourceManagerReads', url, signal)
    return machineOf(body as MachineBody)
  }

  /** Asks for a size and for tags, if the set is still as `etag` says, and does not wait for it. Answers how it can be followed; undefined when Azure does not say. */
  async resize(capacity: number, tags: Tags, etag: string | undefined, signal: AbortSignal): Promise<Operation | undefined> {
    const { headers } = await this.#send(
      `asking for ${capacity} machines in scale set ${this.#config.name}`,
      {
        bucket: 'ScaleSetUpdate',
        method: 'PATCH',
        url: this.#url(this.setPath, computeVersion),
        body: { sku: { capacity }, tags },
        ...(etag !== undefined && { ifMatch: etag }),
      },
      signal,
    )
    const url = headers.get('azure-asyncoperation')
    return url === undefined ? undefined : { url, retryAfterMs: hintOf(headers) ?? 0 }
  }

  /** Gives the set these tags instead of all that it has, if it is still as `etag` says. */
  async retag(tags: Tags, etag: string | undefined, signal: AbortSignal): Promise<void> {
    const url = this.#url(this.setPath, computeVersion)
    const asked: Asked = { bucket: 'ScaleSetUpdate', method: 'PATCH', url, body: { tags }, ...(etag !== undefined && { ifMatch: etag }) }
    await this.#send(`tagging scale set ${this.#config.name}`, asked, signal)
  }

  /** Removes machines, at most a hundred, and lowers the size by them; does not wait until they are gone. One that does not exist makes it fail for all. */
  async deleteMachines(ids: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#send(
      `deleting ${ids.length} machines of scale set ${this.#config.name}`,
      {
        bucket: 'ScaleSetVMDelete',
        method: 'POST',
        url: this.#url(`${this.setPath}/delete`, computeVersion),
        body: { instanceIds: ids },
      },
      signal,
    )
  }

  async operation(url: string, signal: AbortSignal): Promise<OperationStatus> {
    const { body, headers } = await this.#read('following an operation', 'GetOperation', url, signal)
    const { status, error } = body as { readonly status?: string; readonly error?: { readonly code?: string; readonly message?: string } }
    if (status === 'Succeeded') return { state: 'ended', failure: undefined }
    if (status !== 'Failed' && status !== 'Canceled') return { state: 'under way', retryAfterMs: hintOf(headers) ?? 0 }
    return { state: 'ended', failure: { code: error?.code, message: error?.message ?? `it ended as ${status}` } }
  }

  /** All rows of a list, in as many calls as there are pages. */
  list<Row>(doing: string, path: string, apiVersion: string, signal: AbortSignal): Promise<Row[]> {
    return this.#pages(doing, 'ResourceManagerReads', this.#url(path, apiVersion), signal)
  }

  #url(path: string, apiVersion: string, query: Readonly<Record<string, string>> = {}): string {
    const more = Object.entries(query).map(([name, value]) => `&${name}=${encodeURIComponent(value)}`)
    return `${this.#config.endpoint}${path}?api-version=${apiVersion}${more.join('')}`
  }

  async #pages<Row>(doing: string, bucket: Bucket, url: string, signal: AbortSignal): Promise<Row[]> {
    const rows: Row[] = []
    let next: string | undefined = url
    while (next !== undefined) {
      const { body } = await this.#read(doing, bucket, next, signal)
      const { value, nextLink } = body as { readonly value?: readonly Row[]; readonly nextLink?: string }
      // An empty list means that all machines are gone: never what only looks like one.
      if (!Array.isArray(value)) throw new GroupError('transient', `${doing}: the answer has no rows`)
      rows.push(...value)
      next = nextLink || undefined
    }
    return rows
  }

  async #read(
    doing: string,
    bucket: Bucket,
    url: string,
    signal: AbortSignal,
  ): Promise<{ readonly body: object; readonly headers: HttpHeaders }> {
    const { bodyAsText, headers } = await this.#send(doing, { bucket, method: 'GET', url }, signal)
    try {
      return { body: Object(JSON.parse(bodyAsText ?? '', withoutNull)), headers }
    } catch (error) {
      throw asThrown(doing, error, signal)
    }
  }

  async #send(doing: string, asked: Asked, signal: AbortSignal): Promise<PipelineResponse> {
    try {
      signal.throwIfAborted()
      return await untilAbort(this.#answer(doing, asked, signal), signal)
    } catch (error) {
      throw asThrown(doing, error, signal)
    }
  }

  async #answer(doing: string, { bucket, method, url, body, ifMatch }: Asked, signal: AbortSignal): Promise<PipelineResponse> {
    // The token goes along: never to a host that an answer made up.
    const { origin } = new URL(url)
    if (origin !== new URL(this.#config.endpoint).origin) throw new Error(`was sent to ${origin}, which is not the endpoint`)
    const request = createPipelineRequest({
      url,
      method,
      abortSignal: signal,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    request.headers.set('accept', 'application/json')
    if (body !== undefined) request.headers.set('content-type', 'application/json')
    if (ifMatch !== undefined) request.headers.set('if-match', ifMatch)
    const response = await this.#pipeline.sendRequest(this.#http, request)
    const { status, bodyAsText, headers } = response
    const left = headroomIn(headers.get('x-ms-ratelimit-remaining-resource'))
    if (left !== undefined) this.#headroom[bucket] = left
    if (status === 200 || (method !== 'GET' && taken.includes(status))) return response
    const { code, message } = errorIn(bodyAsText)
    const retryAfterMs = hintOf(headers)
    throw asAzureError(
      doing,
      { status, code, message: message ?? `HTTP status ${status}` },
      { bucket, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    )
  }
}

interface Asked {
  readonly bucket: Bucket
  readonly method: HttpMethods
  readonly url: string
  readonly body?: object
  readonly ifMatch?: string
}

/** Lists of which Azure counts apart. */
const listBucket: Readonly<Record<'Uniform' | 'Flexible', Bucket>> = { Uniform: 'ScaleSetHighCostGet', Flexible: 'VMHighCostGet' }

/** Answers to a change that Azure has taken on, beside 200. */
const taken: readonly number[] = [201, 202]

/** For `JSON.parse`: what is null is not there. */
function withoutNull(_key: string, value: unknown): unknown {
  return value ?? undefined
}

/** `Microsoft.Compute/HighCostGet3Min;159,Microsoft.Compute/HighCostGet30Min;1259`: how many calls like this one are left in each window; the least of them. */
function headroomIn(header: string | undefined): number | undefined {
  const counts = (header ?? '').split(',').flatMap((window) => /;\s*(\d+)\s*$/.exec(window)?.[1] ?? [])
  return counts.length === 0 ? undefined : Math.min(...counts.map(Number))
}

function hintOf(headers: HttpHeaders): number | undefined {
  return readRetryAfter(headers.get('retry-after'), Date.now())
}

/** Of Resource Manager's envelope, which some of its providers leave out; whatever stands before it may answer something else. */
function errorIn(bodyAsText: string | null | undefined): { readonly code?: string; readonly message?: string } {
  try {
    const body = JSON.parse(bodyAsText ?? '') as { readonly error?: object }
    return Object(body.error ?? body)
  } catch {
    return {}
  }
}

function pipelineOf(config: AzureConfig): Pipeline {
  const trust = trustOf(config)
  const { tlsOptions, additionalPolicies = [] } = trust
  const pipeline = createPipelineFromOptions({ retryOptions: { maxRetries: 0 }, ...(tlsOptions !== undefined && { tlsOptions }) })
  for (const { policy } of additionalPolicies) pipeline.addPolicy(policy)
  const credential = lazyCredential(config, trust)
  pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: [`${config.audience}/.default`] }))
  return pipeline
}

/** As the SDK's clients take it. */
interface Trust {
  readonly tlsOptions?: TlsSettings
  readonly additionalPolicies?: { readonly policy: PipelinePolicy; readonly position: 'perCall' }[]
}

/** One context of TLS for all connections: read anew for each, the usual authorities alone cost some megabytes. Node's agents take it; the library's types know certificates only. */
function trustOf({ certificates }: AzureConfig): Trust {
  if (certificates === undefined) return {}
  const secureContext = createSecureContext({ ca: [...certificates] })
  // Agents of a proxy are made without `tlsOptions`. What a request says for itself reaches its connection there too.
  const policy: PipelinePolicy = {
    name: 'trustBehindProxy',
    sendRequest(request, next) {
      request.requestOverrides = { ...request.requestOverrides, secureContext }
      return next(request)
    },
  }
  return { tlsOptions: { secureContext } as TlsSettings, additionalPolicies: [{ policy, position: 'perCall' }] }
}

/** The identity library is loaded with the first token. */
function lazyCredential({ authorityHost }: AzureConfig, trust: Trust): TokenCredential {
  let credential: Promise<TokenCredential> | undefined
  const make = async (): Promise<TokenCredential> => {
    const { DefaultAzureCredential } = await import('@azure/identity')
    return new DefaultAzureCredential({
      ...(authorityHost !== undefined && { authorityHost, disableInstanceDiscovery: true }),
      ...trust,
    })
  }
  return {
    async getToken(scopes, options) {
      credential ??= make()
      return (await credential).getToken(scopes, options)
    },
  }
}
