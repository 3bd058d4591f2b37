import type { Clock, GroupErrorOptions } from '@runner-core/fleeting'
import { deadline, delay, GroupError, isGroupError } from '@runner-core/fleeting'
import type { AuthClient } from 'google-auth-library'
import { abortable } from './abortable.ts'
import type {
  GuestAttributes,
  Instance,
  InstanceGroupManager,
  ManagedInstance,
  Metadata,
  MetadataItem,
  Operation,
  PerInstanceConfig,
} from './compute-api.ts'
import type { GceConfig } from './config.ts'
import { logIn } from './credentials.ts'
import { asLateError, asRefusalError } from './errors.ts'

/** An operation of a group is done once it is scheduled, within seconds; one that takes longer is not waited for. */
const operationWaitMs = 10_000
const waitPauseMs = 250
/** The most that one page can hold. */
const pageSize = 500
const instanceFields = 'id,name,status,networkInterfaces(networkIP,accessConfigs/natIP),metadata(fingerprint,items)'

interface Request extends GroupErrorOptions {
  readonly method: 'GET' | 'POST' | 'PATCH'
  /** Below the project. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: object
  /** What is tried, for messages. */
  readonly during: string
}

/**
 * The few calls to Compute Engine that a group makes. Each rejects with a `GroupError`, or the signal's reason once it
 * aborts; none is retried here.
 */
export class ComputeClient {
  readonly #config: GceConfig
  readonly #clock: Clock
  #auth: Promise<AuthClient> | undefined

  constructor(config: GceConfig, clock: Clock) {
    this.#config = config
    this.#clock = clock
  }

  getGroup(signal: AbortSignal): Promise<InstanceGroupManager> {
    return this.#call({ method: 'GET', path: this.#groupPath, during: `reading group ${this.#config.name}` }, signal)
  }

  /** Describes the group anew, if it is still as `fingerprint` says. Thrown: `conflict` when it is not. */
  async describeGroup(description: string, fingerprint: string | undefined, signal: AbortSignal): Promise<void> {
    const body = { description, ...(fingerprint !== undefined && { fingerprint }) }
    await this.#change(
      { method: 'PATCH', path: this.#groupPath, body, during: `describing group ${this.#config.name}` },
      signal,
    )
  }

  /** The template by its URL, a global or a regional one. */
  async getTemplateMetadata(url: string, signal: AbortSignal): Promise<Metadata | undefined> {
    const path = /\/projects\/[^/]+\/(.+)$/.exec(url)?.[1] ?? url
    const query = { fields: 'properties/metadata' }
    const during = `reading instance template ${path}`
    return (await this.#call<{ properties?: { metadata?: Metadata } }>({ method: 'GET', path, query, during }, signal))
      .properties?.metadata
  }

  async getProjectMetadata(signal: AbortSignal): Promise<Metadata | undefined> {
    const query = { fields: 'commonInstanceMetadata' }
    const during = `reading project ${this.#config.project}`
    return (await this.#call<{ commonInstanceMetadata?: Metadata }>({ method: 'GET', path: '', query, during }, signal))
      .commonInstanceMetadata
  }

  /** All of them, whatever the group's paging. */
  async listManagedInstances(signal: AbortSignal): Promise<readonly ManagedInstance[]> {
    const request = {
      method: 'POST',
      path: `${this.#groupPath}/listManagedInstances`,
      during: 'listing instances',
    } as const
    return this.#pages<ManagedInstance>(request, 'managedInstances', signal)
  }

  /** The same `requestId` is done once. Resolves once it has been accepted. */
  async createInstances(
    instances: readonly PerInstanceConfig[],
    requestId: string,
    signal: AbortSignal,
  ): Promise<void> {
    const during = `creating ${instances.length} instances`
    await this.#change(
      { method: 'POST', path: `${this.#groupPath}/createInstances`, query: { requestId }, body: { instances }, during },
      signal,
    )
  }

  /**
   * `instances` are partial URLs, or bare names, not both. Those that are no members, or on their way out, are passed
   * over.
   */
  async deleteInstances(instances: readonly string[], signal: AbortSignal): Promise<void> {
    const body = { instances, skipInstancesOnValidationError: true }
    const during = `deleting ${instances.length} instances`
    await this.#change({ method: 'POST', path: `${this.#groupPath}/deleteInstances`, body, during }, signal)
  }

  getInstance(zone: string, name: string, signal: AbortSignal): Promise<Instance> {
    const query = { fields: instanceFields }
    return this.#call(
      { method: 'GET', path: instancePath(zone, name), query, during: `reading instance ${name}`, instanceId: name },
      signal,
    )
  }

  /** Those of a zone whose whole name matches the regular expression. */
  listInstances(zone: string, names: string, signal: AbortSignal): Promise<readonly Instance[]> {
    const query = { filter: `name eq "${names}"`, fields: `nextPageToken,items(${instanceFields})` }
    return this.#pages(
      { method: 'GET', path: `zones/${zone}/instances`, query, during: `reading instances of ${zone}` },
      'items',
      signal,
    )
  }

  /** Replaces all of them. Thrown: `conflict` when `fingerprint` is not that of the latest. */
  async setMetadata(zone: string, name: string, metadata: Required<Metadata>, signal: AbortSignal): Promise<void> {
    const path = `${instancePath(zone, name)}/setMetadata`
    await this.#call(
      { method: 'POST', path, body: metadata, during: `setting metadata of instance ${name}`, instanceId: name },
      signal,
    )
  }

  /** What a machine says of itself, by namespace. Thrown: `not_found` when it says nothing of the kind. */
  async getGuestAttributes(
    zone: string,
    name: string,
    queryPath: string,
    signal: AbortSignal,
  ): Promise<readonly MetadataItem[]> {
    const path = `${instancePath(zone, name)}/getGuestAttributes`
    const during = `reading guest attributes of instance ${name}`
    const answer = await this.#call<GuestAttributes>(
      { method: 'GET', path, query: { queryPath }, during, instanceId: name },
      signal,
    )
    return (answer.queryValue?.items ?? []).flatMap(({ key, value }) => (key && value ? [{ key, value }] : []))
  }

  get #groupPath(): string {
    const { scope, name } = this.#config
    return `${scope.kind}/${scope.name}/instanceGroupManagers/${name}`
  }

  async #pages<Item>(request: Request, key: string, signal: AbortSignal): Promise<readonly Item[]> {
    const items: Item[] = []
    const query: Record<string, string> = { ...request.query, maxResults: String(pageSize) }
    for (;;) {
      const page = await this.#call<Record<string, unknown>>({ ...request, query }, signal)
      items.push(...((page[key] ?? []) as Item[]))
      const token = page['nextPageToken']
      if (typeof token !== 'string' || token === '') return items
      query['pageToken'] = token
    }
  }

  /**
   * A change that answers with an operation. Whether it worked is known within seconds; when it takes longer, it counts
   * as accepted.
   */
  async #change(request: Request, signal: AbortSignal): Promise<void> {
    let operation = await this.#call<Operation>(request, signal)
    if (operation.status !== 'DONE') operation = (await this.#wait(operation, signal)) ?? operation
    const { error, httpErrorStatusCode: status, httpErrorMessage: message } = operation
    if (error?.errors?.[0] !== undefined) throw asLateError(error.errors, request.during)
    if (status !== undefined && status >= 400) {
      const data = { error: { ...(message !== undefined && { message }) } }
      throw asRefusalError({ status, headers: new Headers(), data }, request.during, this.#clock.wallTime())
    }
  }

  /** The operation once it is done; undefined when that is not known, though it was accepted. */
  async #wait({ name }: Operation, signal: AbortSignal): Promise<Operation | undefined> {
    const { kind, name: scopeName } = this.#config.scope
    using limit = deadline(
      this.#clock,
      operationWaitMs,
      () => new Error(`${name} takes more than ${operationWaitMs} ms`),
      signal,
    )
    const path = `${kind}/${scopeName}/operations/${name}/wait`
    try {
      for (;;) {
        const operation = await this.#call<Operation>(
          { method: 'POST', path, during: `waiting for ${name}` },
          limit.signal,
        )
        if (operation.status === 'DONE') return operation
        // The service waits as long as it likes, perhaps not at all.
        await delay(this.#clock, waitPauseMs, limit.signal)
      }
    } catch {
      signal.throwIfAborted()
      return undefined
    }
  }

  async #call<Answer>(
    { method, path, query, body, during, ...options }: Request,
    signal: AbortSignal,
  ): Promise<Answer> {
    signal.throwIfAborted()
    const url = new URL(`compute/v1/projects/${this.#config.project}${path && `/${path}`}`, this.#config.endpoint)
    for (const [key, value] of Object.entries(query ?? {})) url.searchParams.set(key, value)
    const { auth, headers } = await abortable(this.#headers(url.href), signal)
    const settings = { signal, retry: false, validateStatus: () => true, responseType: 'json' } as const
    const sent = auth.transporter.request<Answer>({
      method,
      url,
      headers,
      ...(body !== undefined && { data: body }),
      ...settings,
    })
    const answer = await abortable(sent, signal).catch((cause: unknown) => {
      signal.throwIfAborted()
      throw new GroupError('transient', `${during}: ${(cause as Error).message}`, { ...options, cause })
    })
    if (answer.status >= 200 && answer.status < 300) return answer.data
    // A token that is refused is not used again.
    if (answer.status === 401) this.#auth = undefined
    throw asRefusalError(answer, during, this.#clock.wallTime(), { ...options, bucket: bucketOf(method, path) })
  }

  async #headers(url: string): Promise<{ readonly auth: AuthClient; readonly headers: Headers }> {
    this.#auth ??= logIn(this.#config)
    const login = this.#auth
    try {
      const auth = await login
      return { auth, headers: await auth.getRequestHeaders(url) }
    } catch (cause) {
      if (this.#auth === login) this.#auth = undefined
      if (isGroupError(cause)) throw cause
      const { message, code, status } = cause as Error & { readonly code?: unknown; readonly status?: number }
      const isNetwork = typeof code === 'string' && /^E[A-Z]+$/.test(code)
      const groupCode = isNetwork || (status !== undefined && status >= 500) ? 'transient' : 'auth'
      throw new GroupError(groupCode, `logging in to Google Cloud: ${message}`, { cause })
    }
  }
}

function instancePath(zone: string, name: string): string {
  return `zones/${zone}/instances/${name}`
}

/** A list of managed instances is a POST that counts with the writes. */
function bucketOf(method: string, path: string): 'read' | 'default' {
  return method === 'GET' || path.endsWith('/wait') ? 'read' : 'default'
}
