import type { Clock, GroupErrorOptions } from '@runner-core/fleeting'
import { deadline, delay, GroupError, isGroupError } from '@runner-core/fleeting'
import { abortable } from './abortable.ts'
import { type Answer, told } from './answers.ts'
import { type CallSettings, callSettings } from './call-settings.ts'
import type {
  Instance,
  InstanceGroupManager,
  ManagedInstance,
  Metadata,
  MetadataItem,
  Operation,
  PerInstanceConfig,
} from './compute-api.ts'
import type { GceConfig } from './config.ts'
import { asLateError, asRefusalError, RefusedRequest } from './errors.ts'
import { type Listed, listed, type Page } from './group-calls.ts'
import type { Sdk } from './sdk.ts'

/** An operation of a group is done once it is scheduled, within seconds; one that takes longer is not waited for. */
const operationWaitMs = 10_000
const waitPauseMs = 250
/** The most that one page can hold. */
const pageSize = 500
const instanceFields = 'id,name,status,networkInterfaces(networkIP,accessConfigs/natIP),metadata(fingerprint,items)'

interface Call extends GroupErrorOptions {
  /** What is tried, for messages. */
  readonly during: string
  readonly bucket: 'read' | 'default'
  /** The fields that are wanted. Default: all. */
  readonly fields?: string
  readonly signal: AbortSignal
}

/**
 * The few calls to Compute Engine that a group makes. Each rejects with a `GroupError`, or the signal's reason once it
 * aborts; none is retried here. The SDK is loaded with the first.
 */
export class ComputeClient {
  readonly #config: GceConfig
  readonly #clock: Clock
  #loaded: Promise<Sdk> | undefined

  constructor(config: GceConfig, clock: Clock) {
    this.#config = config
    this.#clock = clock
  }

  async getGroup(signal: AbortSignal): Promise<InstanceGroupManager> {
    const call = { during: `reading group ${this.#config.name}`, bucket: 'read', signal } as const
    return told<InstanceGroupManager>(await this.#call(call, ({ group }, settings) => group.get(settings)))
  }

  /** Describes the group anew, if it is still as `fingerprint` says. Thrown: `conflict` when it is not. */
  async describeGroup(description: string, fingerprint: string | undefined, signal: AbortSignal): Promise<void> {
    const change = { description, ...(fingerprint !== undefined && { fingerprint }) }
    await this.#change(`describing group ${this.#config.name}`, signal, ({ group }, settings) =>
      group.patch(change, settings),
    )
  }

  /** The template by its URL, a global or a regional one. */
  async getTemplateMetadata(url: string, signal: AbortSignal): Promise<Metadata | undefined> {
    const { project } = this.#config
    const path = /\/projects\/[^/]+\/(.+)$/.exec(url)?.[1] ?? url
    const named = /(?:regions\/([^/]+)\/)?instanceTemplates\/([^/]+)$/.exec(path)
    const [region, instanceTemplate] = [named?.[1], named?.[2] ?? path]
    const call = {
      during: `reading instance template ${path}`,
      bucket: 'read',
      fields: 'properties/metadata',
      signal,
    } as const
    const [template] = await this.#call(call, async ({ templates, regionTemplates }, settings) =>
      region === undefined
        ? templates.get({ project, instanceTemplate }, settings)
        : (await regionTemplates()).get({ project, region, instanceTemplate }, settings),
    )
    return metadataOf(template.properties?.metadata)
  }

  async getProjectMetadata(signal: AbortSignal): Promise<Metadata | undefined> {
    const { project } = this.#config
    const call = {
      during: `reading project ${project}`,
      bucket: 'read',
      fields: 'commonInstanceMetadata',
      signal,
    } as const
    const [answer] = await this.#call(call, ({ projects }, settings) => projects.get({ project }, settings))
    return metadataOf(answer.commonInstanceMetadata)
  }

  /** All of them, whatever the group's paging. */
  async listManagedInstances(signal: AbortSignal): Promise<readonly ManagedInstance[]> {
    const call = { during: 'listing instances', bucket: 'default', signal } as const
    return this.#pages<ManagedInstance>(call, ({ group }, page, settings) => group.listManagedInstances(page, settings))
  }

  /** The same `requestId` is done once. Resolves once it has been accepted. */
  async createInstances(
    instances: readonly PerInstanceConfig[],
    requestId: string,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#change(`creating ${instances.length} instances`, signal, ({ group }, settings) =>
      group.createInstances(instances, requestId, settings),
    )
  }

  /**
   * `instances` are partial URLs, or bare names, not both. Those that are no members, or on their way out, are passed
   * over.
   */
  async deleteInstances(instances: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#change(`deleting ${instances.length} instances`, signal, ({ group }, settings) =>
      group.deleteInstances(instances, settings),
    )
  }

  async getInstance(zone: string, name: string, signal: AbortSignal): Promise<Instance> {
    const { project } = this.#config
    const during = `reading instance ${name}`
    const call = { during, bucket: 'read', fields: instanceFields, signal, instanceId: name } as const
    const [instance] = await this.#call(call, ({ instances }, settings) =>
      instances.get({ project, zone, instance: name }, settings),
    )
    return told<Instance>({ ...instance, id: String(instance.id) })
  }

  /** Those of a zone whose whole name matches the regular expression. */
  async listInstances(zone: string, names: string, signal: AbortSignal): Promise<readonly Instance[]> {
    const { project } = this.#config
    const fields = `nextPageToken,items(${instanceFields})`
    const call = { during: `reading instances of ${zone}`, bucket: 'read', fields, signal } as const
    return this.#pages<Instance>(call, async ({ instances }, page, settings) => {
      const [items, ...rest] = await instances.list({ project, zone, filter: `name eq "${names}"`, ...page }, settings)
      return listed<Instance>([items.map((instance) => ({ ...instance, id: String(instance.id) })), ...rest])
    })
  }

  /** Replaces all of them. Thrown: `conflict` when `fingerprint` is not that of the latest. */
  async setMetadata(zone: string, name: string, metadata: Required<Metadata>, signal: AbortSignal): Promise<void> {
    const { project } = this.#config
    const call = {
      during: `setting metadata of instance ${name}`,
      bucket: 'default',
      signal,
      instanceId: name,
    } as const
    const metadataResource = { ...metadata, items: [...metadata.items] }
    await this.#call(call, ({ instances }, settings) =>
      instances.setMetadata({ project, zone, instance: name, metadataResource }, settings),
    )
  }

  /** What a machine says of itself, by namespace. Thrown: `not_found` when it says nothing of the kind. */
  async getGuestAttributes(
    zone: string,
    name: string,
    queryPath: string,
    signal: AbortSignal,
  ): Promise<readonly MetadataItem[]> {
    const { project } = this.#config
    const call = {
      during: `reading guest attributes of instance ${name}`,
      bucket: 'read',
      signal,
      instanceId: name,
    } as const
    const [answer] = await this.#call(call, ({ instances }, settings) =>
      instances.getGuestAttributes({ project, zone, instance: name, queryPath }, settings),
    )
    return (answer.queryValue?.items ?? []).flatMap(({ key, value }) => (key && value ? [{ key, value }] : []))
  }

  async #pages<Item>(
    call: Call,
    list: (sdk: Sdk, page: Page, settings: CallSettings) => Promise<Listed<Item>>,
  ): Promise<readonly Item[]> {
    const all: Item[] = []
    let page: Page = { maxResults: pageSize }
    for (;;) {
      const { items, nextPageToken } = await this.#call(call, (sdk, settings) => list(sdk, page, settings))
      all.push(...told<readonly Item[]>(items))
      if (nextPageToken === undefined) return all
      page = { maxResults: pageSize, pageToken: nextPageToken }
    }
  }

  /**
   * A change that answers with an operation. Whether it worked is known within seconds; when it takes longer, it counts
   * as accepted.
   */
  async #change(
    during: string,
    signal: AbortSignal,
    act: (sdk: Sdk, settings: CallSettings) => Promise<Answer<Operation>>,
  ): Promise<void> {
    let operation = told<Operation>(await this.#call({ during, bucket: 'default', signal }, act))
    if (operation.status !== 'DONE') operation = (await this.#wait(operation, signal)) ?? operation
    const { error, httpErrorStatusCode: status, httpErrorMessage: message } = operation
    if (error?.errors?.[0] !== undefined) throw asLateError(error.errors, during)
    if (status !== undefined && status >= 400) {
      const data = { error: { ...(message !== undefined && { message }) } }
      throw asRefusalError({ status, headers: new Headers(), data }, during, this.#clock.wallTime())
    }
  }

  /** The operation once it is done; undefined when that is not known, though it was accepted. */
  async #wait({ name }: Operation, signal: AbortSignal): Promise<Operation | undefined> {
    using limit = deadline(
      this.#clock,
      operationWaitMs,
      () => new Error(`${name} takes more than ${operationWaitMs} ms`),
      signal,
    )
    const call = { during: `waiting for ${name}`, bucket: 'read', signal: limit.signal } as const
    try {
      for (;;) {
        const operation = told<Operation>(await this.#call(call, ({ group }, settings) => group.wait(name, settings)))
        if (operation.status === 'DONE') return operation
        // The service waits as long as it likes, perhaps not at all.
        await delay(this.#clock, waitPauseMs, limit.signal)
      }
    } catch {
      signal.throwIfAborted()
      return undefined
    }
  }

  async #call<Result>(
    { during, bucket, fields, signal, ...options }: Call,
    act: (sdk: Sdk, settings: CallSettings) => Promise<Result>,
  ): Promise<Result> {
    signal.throwIfAborted()
    try {
      const sdk = await abortable(this.#sdk(), signal)
      return await abortable(act(sdk, callSettings(signal, fields)), signal)
    } catch (error) {
      signal.throwIfAborted()
      // The SDK wraps whatever the transport throws.
      const cause = (error as Error).cause ?? error
      if (isGroupError(cause)) throw cause
      if (cause instanceof RefusedRequest)
        throw asRefusalError(cause.refusal, during, this.#clock.wallTime(), { ...options, bucket })
      throw new GroupError('transient', `${during}: ${(cause as Error).message}`, { ...options, cause })
    }
  }

  #sdk(): Promise<Sdk> {
    this.#loaded ??= import('./sdk.ts').then(({ makeSdk }) => makeSdk(this.#config))
    return this.#loaded
  }
}

function metadataOf(answer: Answer<Metadata> | null | undefined): Metadata | undefined {
  return answer === null || answer === undefined ? undefined : told<Metadata>(answer)
}
