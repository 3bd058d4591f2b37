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
  type ListedInstance,
  ownersIn,
  ownerTag,
  type PluginContext,
  TaskQueue,
  writtenOwner,
} from '@runner-core/fleeting'
import { AwsClient } from './client.ts'
import { type AwsConfig, parseConfig } from './config.ts'
import { Connections, running } from './connect.ts'
import { missingOf } from './desired-capacity.ts'
import { FailedLaunches } from './failed-launches.ts'
import { findingsOf, otherFleetFindings } from './findings.ts'
import { tagsOf } from './group-tags.ts'
import { Interruptions } from './interruptions.ts'
import { DesiredCapacityLaunches, InstantLaunches, type Launches } from './launch.ts'
import { LaunchTokens } from './launch-tokens.ts'
import { Machines } from './machines.ts'
import { rateLimits } from './rate-limits.ts'
import { Removals } from './remove.ts'
import { describedInstance, listedInstance } from './states.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

/** Instances are those of an EC2 Auto Scaling group, which must belong to this fleet alone. */
export const createInstanceGroup: CreateInstanceGroup = (config, context) => new AwsGroup(parseConfig(config), context)

/** What EC2 can be asked for; other ids are our own. */
function isInstanceId(id: string): boolean {
  return /^i-[0-9a-z]+$/.test(id)
}

class AwsGroup implements InstanceGroup {
  readonly #config: AwsConfig
  readonly #context: PluginContext
  readonly #client: AwsClient
  readonly #failed: FailedLaunches
  readonly #tokens: LaunchTokens
  readonly #launches: Launches
  readonly #removals: Removals
  readonly #machines: Machines
  readonly #connections: Connections
  readonly #interruptions: Interruptions
  /** Sizes are written as absolute numbers: one writer at a time. */
  readonly #writes = new TaskQueue(1)

  constructor(config: AwsConfig, context: PluginContext) {
    this.#config = config
    this.#context = context
    this.#client = new AwsClient(config, context.clock)
    this.#failed = new FailedLaunches(context.random, context.clock)
    this.#machines = new Machines(this.#client, context.connector.useExternalAddress === true)
    this.#tokens = new LaunchTokens(this.#client, this.#machines, context)
    this.#launches =
      config.launchMode === 'launch_instances'
        ? new InstantLaunches(this.#client, this.#tokens)
        : new DesiredCapacityLaunches(this.#client, this.#failed, this.#tokens)
    this.#removals = new Removals(this.#client)
    this.#connections = new Connections(this.#client, this.#machines, context, config.credentials)
    this.#interruptions = new Interruptions(this.#client, context.logger)
  }

  async init(signal: AbortSignal): Promise<GroupInfo> {
    await this.#connections.init()
    const region = await this.#client.region(signal)
    const group = await this.#client.describeGroup(signal)
    const findings = [
      ...findingsOf(
        group,
        await this.#perhaps('an instance refresh is in progress', this.#client.instanceRefreshes(signal), signal),
      ),
      ...otherFleetFindings(tagsOf(group), this.#context.fleet),
      ...(await this.#perhaps('launches can be tagged', this.#tokens.claim(group, signal), signal)),
      ...(await this.#perhaps(
        "the user data contains the fleet's key",
        this.#connections.findings(group, signal),
        signal,
      )),
    ]
    return {
      id: `aws/${region}/${this.#config.name}`,
      maxSize: group.MaxSize ?? 0,
      version,
      capabilities: ['heartbeat', 'interruption_notice'],
      findings,
      rateLimits: rateLimits(this.#config),
    }
  }

  async list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const { marks } = this.#failed
    const group = await this.#client.describeGroup(signal)
    const { ids: failedBefore } = this.#failed
    if (missingOf(group) === 0) this.#failed.allLaunched(marks)
    else
      this.#failed.update(group, await this.#client.activities((soFar) => this.#failed.isEnough(group, soFar), signal))
    // Before the instances that came in their places are looked at.
    this.#tokens.release(failedBefore.filter((id) => !this.#failed.has(id)))
    const { Instances = [] } = group
    this.#removals.shown(Instances)
    const instances = Instances.map(listedInstance)
    const alive = new Set(
      instances.flatMap(({ id, state }) => (state === 'creating' || state === 'running' ? [id] : [])),
    )
    this.#machines.keepOnly(
      alive,
      instances.flatMap(({ id, state }) => (state === 'running' ? [id] : [])),
    )
    this.#connections.keepOnly(alive)
    await this.#tokens.learn(group, signal)
    if (this.#machines.hasSpot()) await this.#interruptions.look(alive, signal)
    this.#tokens.learnMissing(this.#failed.ids, group)
    // A row without its token would be taken for somebody else's.
    const told = instances.filter(({ id }) => !this.#tokens.isLate(id))
    return [...told, ...this.#failed.rows()].map((row) => this.#withToken(row))
  }

  /** By EC2, which tags what belongs to the group; of the group's own failed launches by what is known of them. */
  async describe(ids: readonly string[], signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const failed = this.#failed.rows().filter(({ id }) => ids.includes(id))
    const asked = ids.filter((id) => isInstanceId(id))
    const machines = asked.length === 0 ? [] : await this.#client.describeInstances(asked, signal)
    const found = new Map(machines.map((machine) => [machine.InstanceId, machine]))
    const gone = ids.filter((id) => !failed.some((row) => row.id === id) && !found.has(id))
    return [
      ...failed,
      ...machines.map(describedInstance),
      ...gone.map((id): ListedInstance => ({ id, state: 'deleted' })),
    ]
  }

  increase(request: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    return this.#write(signal, async () => {
      const result = await this.#launches.increase(request, signal)
      this.#removals.expect(result.ids ?? [])
      return result
    })
  }

  async decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    if (ids.length === 0) return { accepted: [] }
    return this.#write(signal, async () => {
      const launches = ids.filter((id) => this.#failed.has(id))
      const { lowered, errors } = await this.#removals.terminate(ids, signal)
      this.#launches.lowered(lowered)
      this.#machines.forget(ids)
      const kept = await this.#giveBack(launches, signal)
      const refused = new Set([...errors, ...kept].map(({ instanceId }) => instanceId))
      return { accepted: ids.filter((id) => !refused.has(id)), errors: [...errors, ...kept] }
    })
  }

  connectInfo(id: string, signal: AbortSignal): Promise<ConnectInfo> {
    return this.#connections.info(id, signal)
  }

  /** EC2 tells why an instance ended: a spot interruption, for instance. */
  async heartbeat(id: string, signal: AbortSignal): Promise<void> {
    running(id, await this.#machines.ask(id, signal))
  }

  onInterruption(listener: (id: string, atWallTime: number | undefined) => void): () => void {
    return this.#interruptions.listen(listener)
  }

  giveBack(signal: AbortSignal): Promise<number> {
    return this.#write(signal, async () => {
      const { lowered, kept, reason } = await this.#removals.giveBack(Infinity, signal)
      this.#launches.lowered(lowered)
      if (kept > 0)
        this.#context.logger.warn({ amount: kept, reason }, 'desired capacity that has no instance is not given back')
      return kept
    })
  }

  async owners(signal: AbortSignal): Promise<readonly GroupOwner[]> {
    return ownersIn(tagsOf(await this.#client.describeGroup(signal)))
  }

  /** A tag without a value is nobody's: taking it away would be another permission. */
  async claim(owner: GroupOwner | undefined, signal: AbortSignal): Promise<void> {
    await this.#client.noteOnGroup({ [ownerTag]: owner === undefined ? '' : writtenOwner(owner) }, signal)
  }

  async shutdown(): Promise<void> {
    this.#machines.end()
    this.#client.destroy()
  }

  /** Answers an error for each whose capacity could not be given back. */
  async #giveBack(ids: readonly string[], signal: AbortSignal): Promise<readonly GroupError[]> {
    if (ids.length === 0) return []
    const { lowered, kept, reason } = await this.#removals.giveBack(ids.length, signal)
    this.#launches.lowered(lowered)
    this.#failed.forget(ids.slice(kept))
    this.#tokens.release(ids.slice(kept + lowered))
    const message = `the capacity of a failed launch cannot be given back now: ${reason}`
    return ids.slice(0, kept).map((instanceId) => new GroupError('conflict', message, { instanceId }))
  }

  #withToken(row: ListedInstance): ListedInstance {
    const launchToken = this.#tokens.tokenOf(row.id)
    return launchToken === undefined ? row : { ...row, launchToken }
  }

  /** What a finding is made of: not all emulators know it, nor may every key read it, and a group works without. */
  async #perhaps<Found>(
    what: string,
    found: Promise<readonly Found[]>,
    signal: AbortSignal,
  ): Promise<readonly Found[]> {
    try {
      return await found
    } catch (error) {
      signal.throwIfAborted()
      this.#context.logger.warn({ err: error }, `cannot determine whether ${what}`)
      return []
    }
  }

  #write<Result>(signal: AbortSignal, act: () => Promise<Result>): Promise<Result> {
    return this.#writes.run(act, signal)
  }
}
