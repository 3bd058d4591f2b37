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
  MachineLaunches,
  ownersIn,
  type PluginContext,
  withOwner,
} from '@runner-core/fleeting'
import { AzureClient } from './client.ts'
import { type AzureConfig, parseConfig } from './config.ts'
import { AddressBook, loginOf } from './connect.ts'
import { FailureReasons } from './failure-reasons.ts'
import { type AutoscaleSetting, findingsOf } from './findings.ts'
import { Launches, longestLagMs } from './launch.ts'
import type { Machine } from './machine.ts'
import { modelOf, type SetModel } from './model.ts'
import { maxDescribed, rateLimitsOf } from './rate-limits.ts'
import { removeMachines } from './remove.ts'
import { instanceState } from './states.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }
const autoscaleVersion = '2022-10-01'

/** Instances are the machines of a scale set. */
export const createInstanceGroup: CreateInstanceGroup = (config, context) =>
  new AzureGroup(parseConfig(config), context)

/** What is there once `init` has read the set. */
interface Initialised {
  readonly model: SetModel
  readonly launches: Launches
  readonly addresses: AddressBook
}

class AzureGroup implements InstanceGroup {
  readonly #config: AzureConfig
  readonly #context: PluginContext
  readonly #client: AzureClient
  readonly #failures = new FailureReasons()
  readonly #machineLaunches: MachineLaunches
  #initialised: Initialised | undefined
  /** As last listed, by id, and when each was first. */
  #machines: ReadonlyMap<string, { readonly machine: Machine; readonly listedAt: number }> = new Map()
  /**
   * Machines whose delete was asked for, by id: accepted, or without an answer. A list that is late may show them for a
   * while.
   */
  readonly #deletes = new Map<string, { readonly at: number; readonly isSure: boolean }>()

  constructor(config: AzureConfig, context: PluginContext) {
    this.#config = config
    this.#context = context
    this.#client = new AzureClient(config)
    this.#machineLaunches = new MachineLaunches(context.fleet)
  }

  async init(signal: AbortSignal): Promise<GroupInfo> {
    const { connector, clock, fleet } = this.#context
    const [set, autoscale] = await Promise.all([this.#client.getSet(signal), this.#autoscaleSettings(signal)])
    const model = modelOf(set)
    this.#initialised = {
      model,
      launches: new Launches({
        client: this.#client,
        clock,
        fleet,
        maxSize: model.maxSize,
        machineLaunches: this.#machineLaunches,
        listMachines: (signal) => this.#listMachines(signal),
      }),
      addresses: new AddressBook({
        client: this.#client,
        clock,
        mode: model.mode,
        withExternal: connector.useExternalAddress === true,
      }),
    }
    const { subscriptionId, resourceGroup, name } = this.#config
    return {
      id: `azure/${subscriptionId}/${resourceGroup}/${name}`,
      maxSize: model.maxSize,
      version,
      capabilities: ['launch_tokens'],
      findings: findingsOf(set, autoscale, connector, fleet),
      rateLimits: rateLimitsOf(model.mode, () => this.#client.takeHeadroom()),
    }
  }

  async list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const { launches, model } = this.#ready()
    const machines = await launches.survey(signal)
    await this.#failures.learn(machines, () =>
      this.#client.listMachines(model.mode, { withInstanceView: true }, signal),
    )
    return [...machines.map((machine) => this.#row(machine)), ...launches.missing]
  }

  /** Each costs a call: of the first few only, and of those that never came nothing is asked. */
  async describe(ids: readonly string[], signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const { launches, model } = this.#ready()
    const missing = launches.missing.filter(({ id }) => ids.includes(id))
    const asked = ids.filter((id) => !launches.isMissing(id)).slice(0, maxDescribed)
    const rows = await Promise.all(
      asked.map(async (id): Promise<ListedInstance> => {
        try {
          return this.#row(await this.#client.getMachine(model.mode, id, signal))
        } catch (error) {
          signal.throwIfAborted()
          if (isGroupError(error) && error.code === 'not_found') return { id, state: 'deleted' }
          throw error
        }
      }),
    )
    return [...missing, ...rows]
  }

  increase(request: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    return this.#ready().launches.increase(request, signal)
  }

  async decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    if (ids.length === 0) return { accepted: [] }
    const { launches } = this.#ready()
    const missing = ids.filter((id) => launches.isMissing(id))
    const machineIds = ids.filter((id) => !missing.includes(id))
    const removed = machineIds.length === 0 ? { accepted: [] } : await this.#remove(machineIds, signal)
    try {
      if (missing.length > 0) await launches.giveBack(missing, signal)
      return { ...removed, accepted: [...removed.accepted, ...missing] }
    } catch (error) {
      if (machineIds.length === 0 || !isGroupError(error)) throw error
      const errors = missing.map(
        (instanceId) => new GroupError(error.code, error.message, { instanceId, cause: error }),
      )
      return { accepted: removed.accepted, errors: [...(removed.errors ?? []), ...errors] }
    }
  }

  async connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    const { model, addresses } = this.#ready()
    // Who was not there when last listed may be there by now; whoever is gone by now is noticed by its silence.
    if (!this.#machines.has(id)) await this.#listMachines(signal)
    const listed = this.#machines.get(id)
    const state = instanceState(listed?.machine.provisioningState)
    if (listed === undefined || state === 'failed' || state === 'deleting') {
      throw new GroupError('not_found', `machine ${id} is ${listed?.machine.provisioningState ?? 'gone'}`, {
        instanceId: id,
      })
    }
    const found = await addresses.of(listed.machine.resourceId, listed.listedAt, signal)
    if (found?.internalAddress === undefined)
      throw new GroupError('not_ready', `machine ${id} has no address yet`, { instanceId: id })
    return { instanceId: id, ...loginOf(model, this.#context.connector), ...found }
  }

  giveBack(signal: AbortSignal): Promise<number> {
    return this.#ready().launches.giveBackAll(signal)
  }

  async owners(signal: AbortSignal): Promise<readonly GroupOwner[]> {
    return ownersIn((await this.#client.getSet(signal)).tags ?? {})
  }

  /** Alone among the changes of the set, and only of what was read: launches are in its tags too. */
  claim(owner: GroupOwner | undefined, signal: AbortSignal): Promise<void> {
    return this.#ready().launches.exclusively(signal, async () => {
      const { tags = {}, etag } = await this.#client.getSet(signal)
      await this.#client.retag(withOwner(tags, owner), etag, signal)
    })
  }

  async shutdown(): Promise<void> {}

  #remove(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    const options = {
      client: this.#client,
      isListed: (id: string) => this.#machines.has(id),
      isPerhapsGone: (id: string) => this.#deletes.get(id)?.isSure === false,
      listMachines: () => this.#listMachines(signal),
    }
    const { launches } = this.#ready()
    return launches.exclusively(signal, async () => {
      const listed = ids.filter((id) => this.#machines.has(id))
      try {
        const removed = await removeMachines(ids, options, signal)
        const accepted = new Set(removed.accepted)
        const deleted = listed.filter((id) => accepted.has(id))
        const unanswered = (removed.errors ?? []).flatMap(({ code, instanceId }) =>
          code === 'transient' ? (instanceId ?? []) : [],
        )
        launches.deleted(deleted)
        launches.perhapsDeleted(unanswered)
        this.#noteDeletes(deleted, true)
        this.#noteDeletes(unanswered, false)
        return removed
      } catch (error) {
        if (!isGroupError(error) || error.code === 'transient') {
          launches.perhapsDeleted(listed)
          this.#noteDeletes(listed, false)
        }
        throw error
      }
    })
  }

  #noteDeletes(ids: readonly string[], isSure: boolean): void {
    const at = this.#context.clock.now()
    for (const id of ids) if (isSure || !this.#deletes.has(id)) this.#deletes.set(id, { at, isSure })
  }

  async #listMachines(signal: AbortSignal): Promise<readonly Machine[]> {
    const listedMachines = await this.#client.listMachines(this.#ready().model.mode, {}, signal)
    const now = this.#context.clock.now()
    for (const [id, { at }] of this.#deletes) if (now - at > longestLagMs) this.#deletes.delete(id)
    const machines = listedMachines.map((machine) =>
      this.#deletes.get(machine.id)?.isSure === true ? { ...machine, provisioningState: 'Deleting' } : machine,
    )
    this.#machineLaunches.learn(machines)
    const listed = new Set(machines.map(({ id }) => id))
    const gone = [...this.#machines.values()].filter(
      ({ machine }) => !listed.has(machine.id) && machine.provisioningState !== 'Deleting',
    )
    this.#ready().launches.perhapsDeleted(gone.map(({ machine }) => machine.id))
    this.#machines = new Map(
      machines.map((machine) => [machine.id, { machine, listedAt: this.#machines.get(machine.id)?.listedAt ?? now }]),
    )
    return machines
  }

  /** Reading them is another permission, which nothing else needs. */
  async #autoscaleSettings(signal: AbortSignal): Promise<readonly AutoscaleSetting[]> {
    try {
      const path = `${this.#client.groupPath}/providers/Microsoft.Insights/autoscaleSettings`
      return await this.#client.list('listing autoscale settings', path, autoscaleVersion, signal)
    } catch (error) {
      signal.throwIfAborted()
      this.#context.logger.warn({ err: error }, 'cannot determine whether an autoscale setting changes the scale set')
      return []
    }
  }

  #row({ id, provisioningState }: Machine): ListedInstance {
    const error = this.#failures.of(id)
    const launchToken = this.#machineLaunches.tokenOf(id)
    return {
      id,
      state: instanceState(provisioningState),
      ...(provisioningState !== undefined && { detail: error?.message ?? provisioningState }),
      ...(error !== undefined && { error }),
      ...(launchToken !== undefined && { launchToken }),
    }
  }

  #ready(): Initialised {
    if (this.#initialised === undefined) throw new Error('init has not been called')
    return this.#initialised
  }
}
