import type { ComputeManagementClient, VirtualMachineScaleSet } from '@azure/arm-compute'
import type { TokenCredential } from '@azure/core-auth'
import { createDefaultHttpClient, createPipelineRequest, type HttpClient, type HttpHeaders } from '@azure/core-rest-pipeline'
import { GroupError, type TaggedMachine, type Tags, untilAbort } from '@runner-core/fleeting'
import type { AzureConfig } from './config.ts'
import { type AzureFailure, asAzureError, asThrown, retryHint } from './errors.ts'

/** A machine of the set. */
export interface Machine extends TaggedMachine {
  /** Its number in a Uniform set, its name in a Flexible one. */
  readonly id: string
  /** Where it is in Resource Manager, in small letters: some ids spell the resource group in capitals. */
  readonly resourceId: string
  readonly provisioningState: string | undefined
  /** Its instance view's, where that was asked for. */
  readonly statuses: readonly { readonly code?: string; readonly message?: string }[]
}

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
  #compute: Promise<ComputeManagementClient> | undefined
  readonly #http: HttpClient = createDefaultHttpClient()

  constructor(config: AzureConfig) {
    this.#config = config
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

  getSet(signal: AbortSignal): Promise<VirtualMachineScaleSet> {
    const { resourceGroup, name } = this.#config
    return this.#call(`reading scale set ${name}`, signal, (compute) =>
      compute.virtualMachineScaleSets.get(resourceGroup, name, { abortSignal: signal }),
    )
  }

  /** Every machine of the set, in as many calls as there are pages. The instance view costs Azure more. */
  listMachines(
    mode: 'Uniform' | 'Flexible',
    { withInstanceView = false }: { withInstanceView?: boolean },
    signal: AbortSignal,
  ): Promise<Machine[]> {
    const { resourceGroup, name } = this.#config
    const options = { abortSignal: signal, ...(withInstanceView && { expand: 'instanceView' as const }) }
    return this.#call(`listing the machines of scale set ${name}`, signal, async (compute) => {
      const found =
        mode === 'Uniform'
          ? compute.virtualMachineScaleSetVMs.list(resourceGroup, name, options)
          : compute.virtualMachines.list(resourceGroup, { ...options, filter: `'virtualMachineScaleSet/id' eq '${this.setPath}'` })
      const machines: Machine[] = []
      for await (const vm of found) {
        signal.throwIfAborted()
        const id = 'instanceId' in vm ? vm.instanceId : vm.name
        if (id === undefined || vm.id === undefined) throw new GroupError('transient', 'a machine without an id was listed')
        machines.push({
          id,
          resourceId: vm.id.toLowerCase(),
          provisioningState: vm.provisioningState,
          tags: vm.tags ?? {},
          createdAt: vm.timeCreated?.getTime(),
          statuses: vm.instanceView?.statuses ?? [],
        })
      }
      return machines
    })
  }

  /** Asks for a size and for tags, if the set is still as `etag` says, and does not wait for it. Answers how it can be followed; undefined when Azure does not say. */
  resize(capacity: number, tags: Tags, etag: string | undefined, signal: AbortSignal): Promise<Operation | undefined> {
    const { resourceGroup, name } = this.#config
    return this.#call(`asking for ${capacity} machines in scale set ${name}`, signal, async (compute) => {
      let operation: Operation | undefined
      const poller = compute.virtualMachineScaleSets.update(
        resourceGroup,
        name,
        { sku: { capacity }, tags },
        {
          abortSignal: signal,
          ...(etag !== undefined && { ifMatch: etag }),
          onResponse: ({ headers }) => {
            const url = headers.get('azure-asyncoperation')
            if (url !== undefined) operation = { url, retryAfterMs: hintOf(headers) ?? 0 }
          },
        },
      )
      await poller.submitted()
      return operation
    })
  }

  /** Removes machines, at most a hundred, and lowers the size by them; does not wait until they are gone. One that does not exist makes it fail for all. */
  async deleteMachines(ids: readonly string[], signal: AbortSignal): Promise<void> {
    const { resourceGroup, name } = this.#config
    await this.#call(`deleting ${ids.length} machines of scale set ${name}`, signal, (compute) =>
      compute.virtualMachineScaleSets.deleteInstances(resourceGroup, name, { instanceIds: [...ids] }, { abortSignal: signal }).submitted(),
    )
  }

  async operation(url: string, signal: AbortSignal): Promise<OperationStatus> {
    const { body, headers } = await this.#get('following an operation', url, signal)
    const { status, error } = body as { readonly status?: string; readonly error?: { readonly code?: string; readonly message?: string } }
    if (status === 'Succeeded') return { state: 'ended', failure: undefined }
    if (status !== 'Failed' && status !== 'Canceled') return { state: 'under way', retryAfterMs: hintOf(headers) ?? 0 }
    return { state: 'ended', failure: { code: error?.code, message: error?.message ?? `it ended as ${status}` } }
  }

  /** All rows of a list that the SDK used here does not know, in as many calls as there are pages. */
  async list<Row>(doing: string, path: string, apiVersion: string, signal: AbortSignal): Promise<Row[]> {
    const rows: Row[] = []
    let next: string | undefined = `${this.#config.endpoint}${path}?api-version=${apiVersion}`
    while (next !== undefined) {
      const { body } = await this.#get(doing, next, signal)
      const { value = [], nextLink } = body as { readonly value?: readonly Row[]; readonly nextLink?: string }
      rows.push(...value)
      next = nextLink
    }
    return rows
  }

  #get(doing: string, url: string, signal: AbortSignal): Promise<{ readonly body: unknown; readonly headers: HttpHeaders }> {
    return this.#call(doing, signal, async ({ pipeline }) => {
      // The token goes along: never to a host that an answer made up.
      const { origin } = new URL(url)
      if (origin !== new URL(this.#config.endpoint).origin) throw new Error(`was sent to ${origin}, which is not the endpoint`)
      const request = createPipelineRequest({ url, method: 'GET', abortSignal: signal })
      request.headers.set('accept', 'application/json')
      const { status, bodyAsText, headers } = await pipeline.sendRequest(this.#http, request)
      if (status === 200) return { body: JSON.parse(bodyAsText ?? '{}'), headers }
      const { code, message } = errorIn(bodyAsText)
      const retryAfterMs = hintOf(headers)
      throw asAzureError(
        doing,
        { status, code, message: message ?? `HTTP status ${status}` },
        { ...(retryAfterMs !== undefined && { retryAfterMs }) },
      )
    })
  }

  async #call<T>(doing: string, signal: AbortSignal, act: (compute: ComputeManagementClient) => Promise<T>): Promise<T> {
    try {
      this.#compute ??= connect(this.#config)
      return await untilAbort(this.#compute.then(act), signal)
    } catch (error) {
      throw asThrown(doing, error, signal)
    }
  }
}

function hintOf(headers: HttpHeaders): number | undefined {
  return retryHint(headers.get('retry-after'), Date.now())
}

/** Of Resource Manager's envelope; whatever stands before it may answer something else. */
function errorIn(bodyAsText: string | null | undefined): { readonly code?: string; readonly message?: string } {
  try {
    return Object((JSON.parse(bodyAsText ?? '') as { readonly error?: object }).error)
  } catch {
    return {}
  }
}

/** The SDK is loaded with the first call, the identity library with the first token. */
async function connect(config: AzureConfig): Promise<ComputeManagementClient> {
  const { ComputeManagementClient } = await import('@azure/arm-compute')
  const { endpoint, audience, certificates } = config
  return new ComputeManagementClient(lazyCredential(config), config.subscriptionId, {
    endpoint,
    credentials: { scopes: [`${audience}/.default`] },
    retryOptions: { maxRetries: 0 },
    ...(certificates !== undefined && { tlsOptions: { ca: [...certificates] } }),
  })
}

function lazyCredential({ authorityHost, certificates }: AzureConfig): TokenCredential {
  let credential: Promise<TokenCredential> | undefined
  const make = async (): Promise<TokenCredential> => {
    const { DefaultAzureCredential } = await import('@azure/identity')
    return new DefaultAzureCredential({
      ...(authorityHost !== undefined && { authorityHost, disableInstanceDiscovery: true }),
      ...(certificates !== undefined && { tlsOptions: { ca: [...certificates] } }),
    })
  }
  return {
    async getToken(scopes, options) {
      credential ??= make()
      return (await credential).getToken(scopes, options)
    },
  }
}
