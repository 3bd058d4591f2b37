import { createHash } from 'node:crypto'
import type {
  Activity,
  AutoScaling,
  AutoScalingGroup,
  InstanceRefresh,
  LaunchInstancesResult,
  LaunchTemplateSpecification,
  Instance as Member,
} from '@aws-sdk/client-auto-scaling'
import type { EC2, Instance, SpotInstanceRequest } from '@aws-sdk/client-ec2'
import type { EC2InstanceConnect } from '@aws-sdk/client-ec2-instance-connect'
import {
  type Clock,
  GroupError,
  type GroupErrorOptions,
  isGroupError,
  type Tags,
  untilAbort,
} from '@runner-core/fleeting'
import type { AwsConfig } from './config.ts'
import { asAwsError } from './errors.ts'
import type { Bucket } from './rate-limits.ts'
import { isLeaving } from './states.ts'
import { WrittenCapacity } from './written-capacity.ts'

/**
 * No call is retried by the SDK: the provisioner knows what else is to do, and a repeated write could lower what
 * somebody raised meanwhile.
 */
const maxAttempts = 1
const timeouts = { connectionTimeout: 5000, requestTimeout: 30_000, throwOnRequestTimeout: true }
/** Of which it is remembered that they were terminated: more than end while a list is late. */
const terminationsKept = 10_000

/** Of a group's history: more activities of the last minutes than the largest groups have. */
const maxPages = 50

/** Scaling activities, the newest first. */
export interface History {
  readonly activities: readonly Activity[]
  /** False: there are more of those asked for. */
  readonly isWhole: boolean
}

interface Ending {
  destroy(): void
}

/**
 * The few calls to AWS that a group makes. Each rejects with a `GroupError`, or the signal's reason once it aborts. An
 * SDK is loaded when it is first needed.
 */
export class AwsClient {
  readonly #config: AwsConfig
  readonly #made: Ending[] = []
  /** Instances whose end AWS has accepted, the last ones last. */
  readonly #terminated = new Set<string>()
  readonly #capacity: WrittenCapacity
  /**
   * Instances that were terminated, and tokens that launched: once. Asked for again they change the desired capacity
   * no more, and after a lost answer only a read tells whether they did.
   */
  readonly #counted = new Set<string>()
  readonly #autoScaling: () => Promise<AutoScaling>
  readonly #ec2: () => Promise<EC2>
  readonly #instanceConnect: () => Promise<EC2InstanceConnect>

  constructor(config: AwsConfig, clock: Clock) {
    this.#config = config
    this.#capacity = new WrittenCapacity(clock)
    this.#autoScaling = this.#lazy(
      async () => new (await import('@aws-sdk/client-auto-scaling')).AutoScaling(await this.#settings()),
    )
    this.#ec2 = this.#lazy(async () => new (await import('@aws-sdk/client-ec2')).EC2(await this.#settings()))
    this.#instanceConnect = this.#lazy(
      async () => new (await import('@aws-sdk/client-ec2-instance-connect')).EC2InstanceConnect(await this.#settings()),
    )
  }

  region(signal: AbortSignal): Promise<string> {
    return call('finding the region', undefined, signal, async () => (await this.#autoScaling()).config.region())
  }

  /**
   * The group with all its instances, in one call. One whose end AWS has accepted is `Terminating`, even where the list
   * is so late that it does not show it: counted as staying, it would make the group look as if it had too many, and
   * the next one would be ended without lowering the desired capacity. For the same reason a desired capacity from
   * before our own changes is the one after them. Thrown: `not_found`.
   */
  async describeGroup(signal: AbortSignal): Promise<AutoScalingGroup> {
    const { name } = this.#config
    const { AutoScalingGroups } = await call(
      'describing the Auto Scaling group',
      'autoscaling:read',
      signal,
      async (options) =>
        (await this.#autoScaling()).describeAutoScalingGroups({ AutoScalingGroupNames: [name] }, options),
    )
    const group = AutoScalingGroups?.find(({ AutoScalingGroupName }) => AutoScalingGroupName === name)
    if (group === undefined)
      throw new GroupError('not_found', `plugin_config.name: there is no Auto Scaling group ${name} in this region`)
    const { Instances = [] } = group
    const isLate = (instance: Member): boolean => this.#terminated.has(instance.InstanceId!) && !isLeaving(instance)
    return {
      ...group,
      DesiredCapacity: this.#capacity.read(group.DesiredCapacity ?? 0),
      Instances: Instances.map((instance) =>
        isLate(instance) ? { ...instance, LifecycleState: 'Terminating' } : instance,
      ),
    }
  }

  /** The newest first, page by page until `isEnough` of those read so far. `isWhole`: it was, or there are no more. */
  async activities(isEnough: (soFar: readonly Activity[]) => boolean, signal: AbortSignal): Promise<History> {
    const activities: Activity[] = []
    let NextToken: string | undefined
    for (let page = 0; page < maxPages; page += 1) {
      const input = {
        AutoScalingGroupName: this.#config.name,
        MaxRecords: 100,
        ...(NextToken !== undefined && { NextToken }),
      }
      const answer = await call('describing scaling activities', 'autoscaling:read', signal, async (options) =>
        (await this.#autoScaling()).describeScalingActivities(input, options),
      )
      activities.push(...(answer.Activities ?? []))
      ;({ NextToken } = answer)
      if (NextToken === undefined || isEnough(activities)) return { activities, isWhole: true }
    }
    return { activities, isWhole: false }
  }

  async instanceRefreshes(signal: AbortSignal): Promise<readonly InstanceRefresh[]> {
    const { InstanceRefreshes } = await call(
      'describing instance refreshes',
      'autoscaling:read',
      signal,
      async (options) =>
        (await this.#autoScaling()).describeInstanceRefreshes({ AutoScalingGroupName: this.#config.name }, options),
    )
    return InstanceRefreshes ?? []
  }

  async setDesiredCapacity(capacity: number, signal: AbortSignal): Promise<void> {
    const input = { AutoScalingGroupName: this.#config.name, DesiredCapacity: capacity, HonorCooldown: false }
    await call(`setting the desired capacity to ${capacity}`, 'autoscaling:write', signal, async (options) =>
      (await this.#autoScaling()).setDesiredCapacity(input, options),
    )
    this.#capacity.set(capacity)
  }

  /** Tags the group; instances that it launches from now on take the tags over. */
  tagGroup(tags: Tags, signal: AbortSignal): Promise<void> {
    return this.#tag(tags, true, signal)
  }

  /** Tags the group alone. */
  noteOnGroup(tags: Tags, signal: AbortSignal): Promise<void> {
    return this.#tag(tags, false, signal)
  }

  async #tag(tags: Tags, propagates: boolean, signal: AbortSignal): Promise<void> {
    const of = { ResourceId: this.#config.name, ResourceType: 'auto-scaling-group', PropagateAtLaunch: propagates }
    const input = { Tags: Object.entries(tags).map(([Key, Value]) => ({ ...of, Key, Value })) }
    await call('tagging the Auto Scaling group', 'autoscaling:write', signal, async (options) =>
      (await this.#autoScaling()).createOrUpdateTags(input, options),
    )
  }

  /**
   * Launches in one zone, now or not at all. The same token launches once in this group; for AWS it is another one in
   * each group, since groups of one fleet may be given the same.
   */
  async launchInstances(
    count: number,
    zone: string,
    token: string,
    signal: AbortSignal,
  ): Promise<LaunchInstancesResult> {
    const group = createHash('sha256').update(this.#config.name).digest('hex').slice(0, 8)
    const input = {
      AutoScalingGroupName: this.#config.name,
      RequestedCapacity: count,
      AvailabilityZones: [zone],
      ClientToken: `${token}-${group}`,
      RetryStrategy: 'none' as const,
    }
    const launch = () =>
      call(`launching ${count} in ${zone}`, 'autoscaling:write', signal, async (options) =>
        (await this.#autoScaling()).launchInstances(input, options),
      )
    return this.#once([input.ClientToken], launch, (_first, { Instances = [] }) =>
      Instances.reduce((sum, { InstanceIds = [] }) => sum + InstanceIds.length, 0),
    )
  }

  /**
   * Terminates up to {@link maxTerminated} instances; `decrement`: lowers the desired capacity by them. One is named
   * by `InstanceId`, which every endpoint knows.
   */
  async terminate(ids: readonly string[], decrement: boolean, signal: AbortSignal): Promise<void> {
    const [id, ...others] = ids
    const named =
      others.length === 0 ? { InstanceId: id } : { AutoScalingGroupName: this.#config.name, InstanceIds: [...ids] }
    const input = { ...named, ShouldDecrementDesiredCapacity: decrement }
    const end = () =>
      call(
        `terminating ${others.length === 0 ? id : `${ids.length} instances`}`,
        'autoscaling:write',
        signal,
        async (options) => (await this.#autoScaling()).terminateInstanceInAutoScalingGroup(input, options),
        others.length === 0 && id !== undefined ? { instanceId: id } : {},
      )
    await this.#once(ids, end, (first) => (decrement ? -first : 0))
    for (const each of ids) this.#terminated.add(each)
    keepLast(this.#terminated)
  }

  /**
   * `change`: by how much the call has changed the desired capacity, given how many of `names` it was asked for for
   * the first time.
   */
  async #once<Result>(
    names: readonly string[],
    act: () => Promise<Result>,
    change: (first: number, result: Result) => number,
  ): Promise<Result> {
    const first = names.filter((name) => !this.#counted.has(name))
    for (const name of first) this.#counted.add(name)
    keepLast(this.#counted)
    try {
      const result = await act()
      if (first.length > 0) this.#capacity.add(change(first.length, result))
      return result
    } catch (error) {
      // Refused: the next time is the first again.
      if (!isUnclear(error)) for (const name of first) this.#counted.delete(name)
      throw error
    }
  }

  /** Those of these instances that EC2 knows, and that are the group's; up to {@link maxDescribed}. */
  async describeInstances(ids: readonly string[], signal: AbortSignal): Promise<readonly Instance[]> {
    const Filters = [
      { Name: 'tag:aws:autoscaling:groupName', Values: [this.#config.name] },
      { Name: 'instance-id', Values: [...ids] },
    ]
    const found: Instance[] = []
    let NextToken: string | undefined
    do {
      const input = { Filters, MaxResults: 1000, ...(NextToken !== undefined && { NextToken }) }
      const page = await call('describing instances', 'ec2:describe', signal, async (options) =>
        (await this.#ec2()).describeInstances(input, options),
      )
      found.push(...(page.Reservations ?? []).flatMap(({ Instances }) => Instances ?? []))
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    return found
  }

  /** Requests of spot instances, of the whole account and region, whose instances are about to be taken back. */
  async markedSpotRequests(signal: AbortSignal): Promise<readonly SpotInstanceRequest[]> {
    const Filters = [{ Name: 'status-code', Values: ['marked-for-termination', 'marked-for-stop'] }]
    const found: SpotInstanceRequest[] = []
    let NextToken: string | undefined
    do {
      const input = { Filters, MaxResults: 1000, ...(NextToken !== undefined && { NextToken }) }
      const page = await call('describing spot requests', 'ec2:describe', signal, async (options) =>
        (await this.#ec2()).describeSpotInstanceRequests(input, options),
      )
      found.push(...(page.SpotInstanceRequests ?? []))
      NextToken = page.NextToken
    } while (NextToken !== undefined)
    return found
  }

  /** What a version of a launch template tells machines when they start, base64. Empty: nothing. */
  async userData(
    { LaunchTemplateId, LaunchTemplateName, Version }: LaunchTemplateSpecification,
    signal: AbortSignal,
  ): Promise<string> {
    const named = LaunchTemplateId === undefined ? { LaunchTemplateName } : { LaunchTemplateId }
    const input = { ...named, Versions: [Version ?? '$Default'] }
    const { LaunchTemplateVersions } = await call(
      'describing the launch template',
      'ec2:describe',
      signal,
      async (options) => (await this.#ec2()).describeLaunchTemplateVersions(input, options),
    )
    return LaunchTemplateVersions?.[0]?.LaunchTemplateData?.UserData ?? ''
  }

  /** What the machine has printed so far, as far as EC2 has taken it over. */
  async consoleOutput(id: string, signal: AbortSignal): Promise<string> {
    const { Output = '' } = await call(
      `reading the console of ${id}`,
      'ec2:console',
      signal,
      async (options) => (await this.#ec2()).getConsoleOutput({ InstanceId: id }, options),
      { instanceId: id },
    )
    return Buffer.from(Output, 'base64').toString()
  }

  /** Base64, encrypted for the key pair of the instance; empty until Windows has made one. */
  async passwordData(id: string, signal: AbortSignal): Promise<string> {
    const { PasswordData = '' } = await call(
      `reading the password of ${id}`,
      'ec2:console',
      signal,
      async (options) => (await this.#ec2()).getPasswordData({ InstanceId: id }, options),
      { instanceId: id },
    )
    return PasswordData.trim()
  }

  /** Lets a key in for a minute. */
  async pushKey(id: string, username: string, publicKey: string, signal: AbortSignal): Promise<void> {
    const input = { InstanceId: id, InstanceOSUser: username, SSHPublicKey: publicKey }
    const { Success } = await call(
      `pushing a key to ${id}`,
      'ec2-instance-connect:push',
      signal,
      async (options) => (await this.#instanceConnect()).sendSSHPublicKey(input, options),
      { instanceId: id },
    )
    if (Success !== true)
      throw new GroupError('transient', `pushing a key to ${id}: it was not accepted`, { instanceId: id })
  }

  /** Closes all connections. */
  destroy(): void {
    for (const client of this.#made.splice(0)) client.destroy()
  }

  #lazy<Client extends Ending>(make: () => Promise<Client>): () => Promise<Client> {
    let client: Promise<Client> | undefined
    return () => {
      client ??= make().then((made) => {
        this.#made.push(made)
        return made
      })
      return client
    }
  }

  /**
   * What all three clients are made with. The SDK finds the rest by itself, in the environment and the shared files.
   */
  async #settings() {
    const { region, profile, configFile, credentialsFile, endpoint } = this.#config
    const files = {
      ...(credentialsFile !== undefined && { filepath: credentialsFile }),
      ...(configFile !== undefined && { configFilepath: configFile }),
    }
    return {
      maxAttempts,
      requestHandler: { ...timeouts, ...(await proxyAgents(process.env)) },
      ...(endpoint !== undefined && { endpoint }),
      ...(profile !== undefined && { profile }),
      region: region ?? (await regionOf({ ...files, ...(profile !== undefined && { profile }) })),
      // Not among the declared settings: the default chain of credentials takes them from here.
      ...files,
    }
  }
}

/** Whether AWS may have done what was asked for. */
function isUnclear(error: unknown): boolean {
  return !isGroupError(error) || error.code === 'transient'
}

function keepLast(names: Set<string>): void {
  for (const name of names) {
    if (names.size <= terminationsKept) break
    names.delete(name)
  }
}

/** By which proxy of the environment an address is reached, if by any: the SDK does not look there by itself. */
async function proxyAgents(environment: NodeJS.ProcessEnv) {
  const names = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy']
  if (names.every((name) => !environment[name])) return {}
  const { ProxyAgent } = await import('proxy-agent')
  const agent = new ProxyAgent({ keepAlive: true, maxSockets: 50 })
  return { httpAgent: agent, httpsAgent: agent }
}

/** The SDK looks for the region in the files of the environment only. */
async function regionOf(files: {
  readonly profile?: string
  readonly filepath?: string
  readonly configFilepath?: string
}) {
  const { loadConfig, NODE_REGION_CONFIG_FILE_OPTIONS, NODE_REGION_CONFIG_OPTIONS } = await import(
    '@smithy/core/config'
  )
  return loadConfig(NODE_REGION_CONFIG_OPTIONS, { ...NODE_REGION_CONFIG_FILE_OPTIONS, ...files })
}

async function call<Result>(
  during: string,
  bucket: Bucket | undefined,
  signal: AbortSignal,
  request: (options: { readonly abortSignal: AbortSignal }) => Promise<Result>,
  options?: GroupErrorOptions,
): Promise<Result> {
  signal.throwIfAborted()
  try {
    // Not all that a client does before it sends heeds its signal: finding credentials, for instance.
    return await untilAbort(request({ abortSignal: signal }), signal)
  } catch (error) {
    signal.throwIfAborted()
    throw asAwsError(error, during, { ...options, ...(bucket !== undefined && { bucket }) })
  }
}
