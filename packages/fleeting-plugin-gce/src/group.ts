import { createRequire } from 'node:module'
import {
  type ConnectInfo,
  type CreateInstanceGroup,
  type DecreaseResult,
  GroupError,
  type GroupInfo,
  type GroupOwner,
  type IncreaseRequest,
  type IncreaseResult,
  type InstanceGroup,
  isGroupError,
  type ListedInstance,
  type PluginContext,
} from '@runner-core/fleeting'
import { ComputeClient } from './client.ts'
import type { InstanceGroupManager, Metadata } from './compute-api.ts'
import { type GceConfig, parseConfig } from './config.ts'
import { type ConnectOptions, connectInfo, loginOf } from './connect.ts'
import { findings } from './findings.ts'
import { withFingerprint } from './fingerprints.ts'
import { launch } from './launch.ts'
import { Machines } from './machines.ts'
import { sshKeyMetadata } from './metadata.ts'
import { fleetPrefix, launchNames } from './names.ts'
import { describedWith, ownersOf } from './owner-note.ts'
import { rateLimits } from './rate-limits.ts'
import { remove } from './remove.ts'
import { describedInstance, listedInstance } from './states.ts'
import { ZoneTries } from './zone-tries.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

/** Instances are the machines of a managed instance group, by name. */
export const createInstanceGroup: CreateInstanceGroup = (config, context) => new GceGroup(parseConfig(config), context)

class GceGroup implements InstanceGroup {
  readonly #config: GceConfig
  readonly #context: PluginContext
  readonly #client: ComputeClient
  readonly #machines: Machines
  readonly #prefix: string
  readonly #zoneTries: ZoneTries
  #connect: ConnectOptions | undefined

  constructor(config: GceConfig, context: PluginContext) {
    this.#config = config
    this.#context = context
    this.#prefix = fleetPrefix(context.fleet)
    this.#client = new ComputeClient(config, context.clock)
    this.#machines = new Machines(this.#client, context.clock, this.#prefix)
    this.#zoneTries = new ZoneTries(context.clock)
  }

  async init(signal: AbortSignal): Promise<GroupInfo> {
    const { project, scope, name, maxSize } = this.#config
    const { connector } = this.#context
    const [group, projectMetadata, login] = await Promise.all([
      this.#client.getGroup(signal),
      unlessRefused(this.#client.getProjectMetadata(signal)),
      loginOf(this.#context),
    ])
    const template = await unlessRefused(this.#templateMetadata(group, signal))
    this.#zoneTries.of(group)
    this.#connect = {
      client: this.#client,
      machines: this.#machines,
      login,
      project: projectMetadata,
      context: this.#context,
    }
    return {
      id: `gce/${project}/${scope.name}/${name}`,
      maxSize,
      version,
      capabilities: ['launch_tokens'],
      findings: findings(
        { group, template, project: projectMetadata },
        this.#config,
        connector.useStaticCredentials === true,
      ),
      rateLimits,
    }
  }

  async list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const rows = await this.#machines.list(signal)
    const listed = [...rows.values()].map((row) => listedInstance(row, this.#prefix))
    return this.#zoneTries.judge(rows, listed)
  }

  async describe(ids: readonly string[], signal: AbortSignal): Promise<readonly ListedInstance[]> {
    signal.throwIfAborted()
    const found = await this.#machines.lookUp(ids, signal)
    return [...found].map(
      ([id, machine]): ListedInstance =>
        machine === undefined ? { id, state: 'deleted' } : describedInstance(machine, this.#prefix),
    )
  }

  async increase({ count, launchToken }: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    const { maxSize, sshKeys } = this.#config
    const { username, publicKey } = this.#connect!.login
    const names = launchNames(this.#prefix, launchToken, count)
    const rows = await this.list(signal)
    const known = rows.filter((row) => row.launchToken === launchToken).map(({ id }) => id)
    if (known.length > 0) return { requested: known.length, ids: known }

    const alive = rows.filter(({ state }) => state !== 'deleting').length
    const wanted = names.slice(0, Math.max(0, maxSize - alive - this.#machines.expectedCount))
    const errors =
      wanted.length === count ? [] : [new GroupError('quota', `${count} more would be more than ${maxSize} instances`)]
    if (wanted.length === 0) return { requested: 0, errors }
    const metadata = publicKey !== undefined && sshKeys === 'creation' ? sshKeyMetadata(username, publicKey) : undefined
    this.#machines.expect(wanted)
    let accepted: readonly string[] = []
    try {
      const result = await launch(this.#client, wanted, metadata, signal)
      accepted = result.ids
      return { ...result, errors: [...errors, ...result.errors] }
    } finally {
      this.#machines.forget(wanted.slice(accepted.length))
    }
  }

  async decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    signal.throwIfAborted()
    if (ids.length === 0) return { accepted: [] }
    const doomed = await this.#machines.known([...new Set(ids)], signal)
    if (doomed.length === 0) return { accepted: ids }
    const { errors } = await remove(this.#client, doomed, this.#zoneTries.zones, signal)
    const kept = new Set(errors.map(({ instanceId }) => instanceId))
    const accepted = ids.filter((id) => !kept.has(id))
    this.#machines.forget(accepted)
    return { accepted, errors }
  }

  async connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    signal.throwIfAborted()
    return connectInfo(id, this.#connect!, signal)
  }

  async owners(signal: AbortSignal): Promise<readonly GroupOwner[]> {
    return ownersOf((await this.#client.getGroup(signal)).description ?? '')
  }

  async claim(owner: GroupOwner | undefined, signal: AbortSignal): Promise<void> {
    const write = async (): Promise<void> => {
      const { description = '', fingerprint } = await this.#client.getGroup(signal)
      await this.#client.describeGroup(describedWith(description, owner), fingerprint, signal)
    }
    await withFingerprint(this.#context.clock, write, signal)
  }

  async shutdown(): Promise<void> {}

  /** What new machines have as metadata: the group's configuration for all stands before the template's. */
  async #templateMetadata(
    { instanceTemplate, versions = [], allInstancesConfig }: InstanceGroupManager,
    signal: AbortSignal,
  ): Promise<Metadata> {
    const own = Object.entries(allInstancesConfig?.properties?.metadata ?? {}).map(([key, value]) => ({ key, value }))
    const url = instanceTemplate ?? versions[0]?.instanceTemplate
    const template = url === undefined ? undefined : await this.#client.getTemplateMetadata(url, signal)
    return { items: [...own, ...(template?.items ?? [])] }
  }
}

/** Undefined for what we may not read: the group works without. */
async function unlessRefused<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isGroupError(error) && (error.code === 'auth' || error.code === 'not_found')) return undefined
    throw error
  }
}
