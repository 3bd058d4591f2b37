import type { AutoScalingGroup, Instance } from '@aws-sdk/client-auto-scaling'
import {
  asGroupError,
  type Finding,
  fleetTag,
  fleetTagValue,
  type GroupError,
  isTaggedFor,
  launchesOf,
  launchesTag,
  MachineLaunches,
  type PluginContext,
  type TaggedLaunch,
  type TaggedMachine,
  type Tags,
  taggedFleet,
  withLaunch,
} from '@runner-core/fleeting'
import type { AwsClient } from './client.ts'
import { missingOf } from './desired-capacity.ts'
import { launchesNotTagged } from './findings.ts'
import { tagsOf, unwritten } from './group-tags.ts'
import type { Machines } from './machines.ts'

/**
 * Writes launches on the group as tags that its instances take over, and reads off each instance which launch made it.
 * docs/decisions/aws-desired-capacity.md tells what may come between.
 */
export class LaunchTokens {
  readonly #client: AwsClient
  readonly #machines: Machines
  readonly #context: PluginContext
  readonly #launches: MachineLaunches
  /** Of the group's instances, those whose tags are known. */
  #tagged: ReadonlyMap<string, TaggedMachine> = new Map()
  /** Instances that the group shows and EC2 does not yet. */
  #late: ReadonlySet<string> = new Set()
  /**
   * Whether instances tell their launch at all. They do or do not for the whole life of a process: whoever has seen one
   * that does takes those that do not for somebody else's.
   */
  #isOn = true
  /** What the group's tags would be, once they could not be written any more. */
  #unwritten: Tags | undefined

  constructor(client: AwsClient, machines: Machines, context: PluginContext) {
    this.#client = client
    this.#machines = machines
    this.#context = context
    this.#launches = new MachineLaunches(context.fleet)
  }

  /**
   * Writes the owner on the group, unless it is another fleet: so it is known from the beginning whether that is
   * allowed. The finding tells when it is not.
   */
  async claim(group: AutoScalingGroup, signal: AbortSignal): Promise<readonly Finding[]> {
    const tags = tagsOf(group)
    const { fleet } = this.#context
    if (!this.#isOn || (taggedFleet(tags) !== undefined && !isTaggedFor(tags, fleet))) return []
    try {
      await this.#client.tagGroup({ [fleetTag]: fleetTagValue(fleet) }, signal)
      return []
    } catch (thrown) {
      const error = refusalOf(thrown, signal)
      this.#isOn = false
      return [launchesNotTagged(error.message)]
    }
  }

  /**
   * A launch is about to be asked for; `group` is as it was read right before. Thrown: what may be over when it is
   * asked for again.
   */
  async write(group: AutoScalingGroup, launch: TaggedLaunch, signal: AbortSignal): Promise<void> {
    if (!this.#isOn) return
    const tags = withLaunch(this.#tagsOf(group), this.#context.fleet, launch, missingOf(group) === 0)
    const wanted = { [fleetTag]: tags[fleetTag]!, [launchesTag]: tags[launchesTag]! }
    if (this.#unwritten !== undefined) {
      this.#unwritten = wanted
      return
    }
    const changed = unwritten(wanted, group)
    if (Object.keys(changed).length === 0) return
    try {
      await this.#client.tagGroup(changed, signal)
    } catch (thrown) {
      const error = refusalOf(thrown, signal)
      this.#context.logger.warn(
        { err: error },
        'launches can no longer be tagged on the group: their instances are identified by number only',
      )
      this.#unwritten = wanted
    }
  }

  /** Whether the group's tags have a launch of this token. */
  isWritten(launchToken: string, group: AutoScalingGroup): boolean {
    const { open, ended } = launchesOf(this.#tagsOf(group), this.#context.fleet)
    return this.#isOn && [...open, ...ended].some((launch) => launch.launchToken === launchToken)
  }

  /** Asks EC2 for the tags of those of the group's instances that are new. */
  async learn(group: AutoScalingGroup, signal: AbortSignal): Promise<void> {
    if (!this.#isOn) return
    const { Instances = [] } = group
    const found = await Promise.all(
      Instances.map(async (instance) => this.#tagged.get(instance.InstanceId!) ?? this.#look(instance, group, signal)),
    )
    const tagged = found.filter((machine) => machine !== undefined)
    this.#tagged = new Map(tagged.map((machine) => [machine.id, machine]))
    this.#late = new Set(Instances.flatMap(({ InstanceId: id }) => (this.#tagged.has(id!) ? [] : [id!])))
    this.#launches.learn(tagged)
  }

  /** These launches have failed, and of `group` nothing came for them. */
  learnMissing(ids: readonly string[], group: AutoScalingGroup): void {
    if (!this.#isOn) return
    for (const id of ids) if (this.tokenOf(id) === undefined) this.#launches.learnMissing(id, this.#tagsOf(group))
  }

  /** These had failed, and have been launched after all. */
  release(ids: readonly string[]): void {
    this.#launches.release(ids)
  }

  /** Whether an instance will be able to tell its launch, and is not yet. */
  isLate(id: string): boolean {
    return this.#late.has(id)
  }

  /** How many instances a launch has made, those gone too. */
  madeBy(launchToken: string): number {
    return this.#launches.madeBy(launchToken)
  }

  /** The token of the launch that made it; undefined for an instance of nobody's. */
  tokenOf(id: string): string | undefined {
    return this.#launches.tokenOf(id)
  }

  /**
   * Undefined: EC2 does not know it yet. It may learn of an instance after the group, but not of one that is in
   * service.
   */
  async #look(
    { InstanceId: id, LifecycleState }: Instance,
    group: AutoScalingGroup,
    signal: AbortSignal,
  ): Promise<TaggedMachine | undefined> {
    const { open } = launchesOf(this.#tagsOf(group), this.#context.fleet)
    // No launch that it could name: it was there before the first.
    if (open.length === 0) return { id: id!, tags: {}, createdAt: undefined }
    if (this.#unwritten !== undefined) return { id: id!, tags: this.#unwritten, createdAt: undefined }
    const instance = await this.#machines.ask(id!, signal)
    if (instance === undefined && LifecycleState?.startsWith('Pending') === true) return undefined
    return { id: id!, tags: tagsOf(instance ?? {}), createdAt: instance?.LaunchTime?.getTime() }
  }

  #tagsOf(group: AutoScalingGroup): Tags {
    return this.#unwritten ?? tagsOf(group)
  }
}

/** Thrown, as it came: what says nothing of whether tags can be written. */
function refusalOf(thrown: unknown, signal: AbortSignal): GroupError {
  signal.throwIfAborted()
  const error = asGroupError(thrown)
  if (['transient', 'throttled', 'conflict'].includes(error.code)) throw error
  return error
}
