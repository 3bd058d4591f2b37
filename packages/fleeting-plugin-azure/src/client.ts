import type { Tags } from '@runner-core/fleeting'
import { type Call, Calls, retryAfterOf } from './calls.ts'
import type { AzureConfig } from './config.ts'
import { type AzureFailure, failureIn } from './errors.ts'
import { type Machine, machineOf } from './machine.ts'
import type { Bucket } from './rate-limits.ts'
import { type ScaleSet, scaleSetOf } from './scale-set.ts'
import type { Sdk } from './sdk.ts'

/** A long-running operation: where it can be followed, and in how many milliseconds Azure wants to be asked. */
export interface Operation {
  readonly url: string
  readonly retryAfterMs: number
}

/** How an operation stands. */
export type OperationStatus =
  | { readonly state: 'under way'; readonly retryAfterMs: number }
  | { readonly state: 'ended'; readonly failure: AzureFailure | undefined }

/**
 * The few calls to Azure that a group makes. Each rejects with a `GroupError`, or the signal's reason once it aborts.
 * The SDK is loaded with the first.
 */
export class AzureClient {
  readonly #config: AzureConfig
  readonly #calls: Calls
  #loaded: Promise<Sdk> | undefined

  constructor(config: AzureConfig) {
    this.#config = config
    this.#calls = new Calls(config.endpoint)
  }

  /** What Azure's answers said is left of its rate limits, since this was last called. */
  takeHeadroom(): Readonly<Record<string, number>> {
    return this.#calls.takeHeadroom()
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

  getSet(signal: AbortSignal): Promise<ScaleSet> {
    const { resourceGroup, name } = this.#config
    return this.#read(
      { doing: `reading scale set ${name}`, bucket: 'ScaleSetLowCostGet', signal },
      async ({ compute }) => scaleSetOf(await compute.virtualMachineScaleSets.get(resourceGroup, name)),
    )
  }

  /** Every machine of the set, in as many requests as there are pages. The instance view costs Azure more. */
  listMachines(
    mode: 'Uniform' | 'Flexible',
    { withInstanceView = false }: { withInstanceView?: boolean },
    signal: AbortSignal,
  ): Promise<Machine[]> {
    const { resourceGroup, name } = this.#config
    const expand = withInstanceView ? { expand: 'instanceView' } : {}
    // Compared with ids, which Azure writes without escapes.
    const filter = `'virtualMachineScaleSet/id' eq '${decodeURIComponent(this.setPath)}'`
    return this.#read(
      { doing: `listing the machines of scale set ${name}`, bucket: listBucket[mode], signal },
      async ({ compute }) => {
        const rows =
          mode === 'Uniform'
            ? compute.virtualMachineScaleSetVMs.list(resourceGroup, name, expand)
            : compute.virtualMachines.list(resourceGroup, { ...expand, filter })
        const machines: Machine[] = []
        for await (const page of rows.byPage()) machines.push(...page.map(machineOf))
        return machines
      },
    )
  }

  /** One machine of the set by its id. Thrown: `not_found`. */
  getMachine(mode: 'Uniform' | 'Flexible', id: string, signal: AbortSignal): Promise<Machine> {
    const { resourceGroup, name } = this.#config
    return this.#read({ doing: `reading machine ${id}`, bucket: 'ResourceManagerReads', signal }, async ({ compute }) =>
      machineOf(
        mode === 'Uniform'
          ? await compute.virtualMachineScaleSetVMs.get(resourceGroup, name, id)
          : await compute.virtualMachines.get(resourceGroup, id),
      ),
    )
  }

  /**
   * Requests a size and tags, if the set is still as `etag` says, and does not wait for it. Returns where the change
   * can be followed; undefined when Azure does not say.
   */
  async resize(
    capacity: number,
    tags: Tags,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<Operation | undefined> {
    const { resourceGroup, name } = this.#config
    const doing = `requesting ${capacity} machines in scale set ${name}`
    const headers = await this.#change({ doing, bucket: 'ScaleSetUpdate', signal }, ({ compute }) =>
      compute.virtualMachineScaleSets.update(
        resourceGroup,
        name,
        { sku: { capacity }, tags: { ...tags } },
        ifMatch(etag),
      ),
    )
    const url = headers.get('azure-asyncoperation')
    return url === undefined ? undefined : { url, retryAfterMs: retryAfterOf(headers) ?? 0 }
  }

  /** Gives the set these tags instead of all that it has, if it is still as `etag` says. */
  async retag(tags: Tags, etag: string | undefined, signal: AbortSignal): Promise<void> {
    const { resourceGroup, name } = this.#config
    await this.#change({ doing: `tagging scale set ${name}`, bucket: 'ScaleSetUpdate', signal }, ({ compute }) =>
      compute.virtualMachineScaleSets.update(resourceGroup, name, { tags: { ...tags } }, ifMatch(etag)),
    )
  }

  /**
   * Removes machines, at most a hundred, and lowers the size by them; does not wait until they are gone. One that does
   * not exist makes it fail for all.
   */
  async deleteMachines(ids: readonly string[], signal: AbortSignal): Promise<void> {
    const { resourceGroup, name } = this.#config
    const doing = `deleting ${ids.length} machines of scale set ${name}`
    await this.#change({ doing, bucket: 'ScaleSetVMDelete', signal }, ({ compute }) =>
      compute.virtualMachineScaleSets.deleteInstances(resourceGroup, name, { instanceIds: [...ids] }),
    )
  }

  operation(url: string, signal: AbortSignal): Promise<OperationStatus> {
    return this.#read(
      { doing: 'following an operation', bucket: 'GetOperation', signal },
      async ({ plain }): Promise<OperationStatus> => {
        const { body, headers } = await plain.get(url)
        const { status, error } = body as { readonly status?: string; readonly error?: unknown }
        if (status === 'Succeeded') return { state: 'ended', failure: undefined }
        if (status !== 'Failed' && status !== 'Canceled')
          return { state: 'under way', retryAfterMs: retryAfterOf(headers) ?? 0 }
        const { code, message = `it ended as ${status}` } = failureIn(error)
        return { state: 'ended', failure: { code, message } }
      },
    )
  }

  /** All rows of a list that is not Microsoft.Compute's, in as many requests as there are pages. */
  list<Row>(doing: string, path: string, apiVersion: string, signal: AbortSignal): Promise<Row[]> {
    const url = `${this.#config.endpoint}${path}?api-version=${apiVersion}`
    return this.#read({ doing, bucket: 'ResourceManagerReads', signal }, ({ plain }) => plain.list<Row>(url))
  }

  #read<T>(call: Call, act: (sdk: Sdk) => Promise<T>): Promise<T> {
    return this.#calls.read(call, async () => act(await this.#sdk()))
  }

  /** Returns after the first answer: awaited itself, a poller asks again and again until the change has ended. */
  #change(call: Call, begin: (sdk: Sdk) => { submitted(): Promise<void> }) {
    return this.#calls.change(call, async () => begin(await this.#sdk()).submitted())
  }

  #sdk(): Promise<Sdk> {
    this.#loaded ??= import('./sdk.ts').then(({ makeSdk }) => makeSdk(this.#config, this.#calls.policy))
    return this.#loaded
  }
}

/** Lists that have rate limits of their own. */
const listBucket: Readonly<Record<'Uniform' | 'Flexible', Bucket>> = {
  Uniform: 'ScaleSetHighCostGet',
  Flexible: 'VMHighCostGet',
}

function ifMatch(etag: string | undefined): { readonly ifMatch?: string } {
  return etag === undefined ? {} : { ifMatch: etag }
}
