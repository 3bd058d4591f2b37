import { randomBytes } from 'node:crypto'
import type { Clock } from '@runner-core/fleeting'
import type { CloudControls, CloudFault } from '@runner-core/fleeting/testing'
import { FakeMachines, type Lags } from '../core/fake-machines.ts'
import type { Exchange } from '../core/fake-server.ts'
import { FakeServer } from '../core/fake-server.ts'
import type { RateLimit } from '../core/rate-limits.ts'
import type { RealMachines } from '../core/real-machines.ts'
import { FakeGroup } from './auto-scaling-group.ts'
import { AwsApi } from './aws-api.ts'
import type { MachineFacts } from './ec2-api.ts'
import { type GroupSettings, goodSettings, misconfigurations } from './group-settings.ts'
import type { PushedKey } from './instance-connect-api.ts'
import { lifecycleStates } from './lifecycle-states.ts'

export interface FakeAwsOptions {
  readonly clock: Clock
  readonly lags?: Lags
  /** The Auto Scaling group's maximum. Default 10. */
  readonly maxSize?: number
  /** The Auto Scaling group's name. Default `runners`. */
  readonly groupName?: string
  /** Puts real machines behind the instances. Default: their addresses answer nothing. */
  readonly real?: RealMachines
  readonly facts?: MachineFacts
  /** From a launch that failed in every zone to the group's next try, milliseconds. Default 60,000, from memory. */
  readonly launchRetryMs?: number
  /**
   * From a launch that failed in one zone to the group's try in the next, milliseconds. Default 15,000, or
   * `launchRetryMs` where that is less.
   */
  readonly zoneRetryMs?: number
  /** How many launches begin at once, and from one such wave to the next, milliseconds. Default: all. */
  readonly launchWaves?: { readonly size: number; readonly everyMs: number }
  /** The most activities on a page of `DescribeScalingActivities`, whatever was asked for. Default 100. */
  readonly activitiesPageSize?: number
  /** How old the instances are that the group shows, milliseconds. Its own numbers are those of now. Default 0. */
  readonly listLagMs?: number
  /**
   * How old the desired capacity is that the group shows, milliseconds; what the controls do to it shows at once.
   * Default 0.
   */
  readonly capacityLagMs?: number
  /** The most instances on a page of `DescribeInstances`, whatever was asked for. Default 1,000. */
  readonly pageSize?: number
  /** For example `awsRateLimits`. Default: nothing is limited. */
  readonly rateLimits?: Readonly<Record<string, RateLimit>>
  /** Called with each request that was answered. */
  readonly onExchange?: (exchange: Exchange) => void
}

/**
 * An AWS with one Auto Scaling group. One HTTP endpoint speaks Auto Scaling, EC2 and EC2 Instance Connect, as far as a
 * fleet needs them. Requests must be signed; signatures are not verified.
 */
export class FakeAws implements AsyncDisposable {
  /** What other people, and bad luck, do to the group. */
  readonly controls: CloudControls
  /** The group's set-up, which may be changed at any time. */
  readonly settings: GroupSettings
  /** Keys pushed by Instance Connect, the last one last. */
  readonly pushedKeys: readonly PushedKey[]
  readonly #server: FakeServer
  readonly #group: FakeGroup

  static async start({ clock, onExchange, rateLimits, ...options }: FakeAwsOptions): Promise<FakeAws> {
    const {
      lags = {},
      real,
      maxSize = 10,
      groupName = 'runners',
      facts = {},
      launchRetryMs = 60_000,
      pageSize = 1000,
    } = options
    const settings = goodSettings(groupName, maxSize)
    const machines = new FakeMachines({ clock, lags, real })
    const {
      zoneRetryMs = Math.min(15_000, launchRetryMs),
      listLagMs = 0,
      capacityLagMs = 0,
      activitiesPageSize = 100,
    } = options
    const waves = options.launchWaves ?? { size: Number.POSITIVE_INFINITY, everyMs: 0 }
    const lagsOfReads = { listLagMs, capacityLagMs, activitiesPageSize }
    const group = new FakeGroup({
      settings,
      machines,
      clock,
      retryMs: launchRetryMs,
      zoneRetryMs,
      waves,
      ...lagsOfReads,
    })
    const pushedKeys: PushedKey[] = []
    const hostKeys = real === undefined ? inventedHostKeys() : (id: string) => real.hostKeys(id)
    const api = new AwsApi({ group, clock, facts, pageSize, hostKeys, pushed: (key) => pushedKeys.push(key) })
    const server = await FakeServer.start(api, {
      clock,
      ...(rateLimits !== undefined && { rateLimits }),
      ...(onExchange !== undefined && { onExchange }),
    })
    return new FakeAws(server, group, pushedKeys)
  }

  private constructor(server: FakeServer, group: FakeGroup, pushedKeys: readonly PushedKey[]) {
    this.#server = server
    this.#group = group
    this.settings = group.settings
    this.pushedKeys = pushedKeys
    this.controls = {
      inject: (fault: CloudFault) => server.faults.inject(fault),
      heal() {
        server.faults.heal()
        group.heal()
      },
      calls: () => server.calls,
      states: lifecycleStates,
      setState: (id, word) => void Object.assign(member(id).machine, { word }),
      addForeign: () => group.addForeign().id,
      resize: (by) => group.resize(by),
      kill: (id) => group.kill(id),
      machines: () => group.everKnown().flatMap((candidate) => (group.isHealthy(candidate) ? [candidate.id] : [])),
      saysRetryAfter: true,
      misconfigurations: new Map([
        ...misconfigurations(group.settings),
        [
          'group_of_other_fleet',
          () => {
            const { tags } = this
            this.retag({ ...tags, 'runner-core-fleet': 'another' })
            return () => this.retag(tags)
          },
        ],
      ]),
    }
    const member = (id: string) => {
      const found = group.everKnown().find((candidate) => candidate.id === id)
      if (found === undefined) throw new Error(`the fake has no instance ${id}`)
      return found
    }
  }

  /** For example `http://127.0.0.1:4711`: the endpoint of all three services. */
  get url(): string {
    return this.#server.url
  }

  /** The group's desired capacity. */
  get desiredCapacity(): number {
    return this.#group.desired
  }

  /** The group's tags. */
  get tags(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#group.tags.all()].map(([key, { value }]) => [key, value]))
  }

  /**
   * Somebody else gives the group these tags instead of all that it has; instances launched from now on take them over.
   */
  retag(tags: Readonly<Record<string, string>>): void {
    this.#group.tags.replace(tags)
  }

  /** EC2 announces that it will take a spot instance back; {@link controls}' `kill` does so. */
  interrupt(id: string): void {
    this.#group.interrupt(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }
}

/** A key for each machine, which nobody has the private half of. */
function inventedHostKeys(): (instanceId: string) => readonly string[] {
  const keys = new Map<string, string>()
  const field = (data: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, data.length]), data])
  const invented = (): string =>
    `ssh-ed25519 ${Buffer.concat([field(Buffer.from('ssh-ed25519')), field(randomBytes(32))]).toString('base64')}`
  return (id) => {
    const key = keys.get(id) ?? invented()
    keys.set(id, key)
    return [key]
  }
}
