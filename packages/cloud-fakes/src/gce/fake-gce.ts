import type { Clock } from '@runner-core/fleeting'
import type { CloudControls } from '@runner-core/fleeting/testing'
import { FakeMachines, type Lags } from '../core/fake-machines.ts'
import { type Exchange, FakeServer } from '../core/fake-server.ts'
import type { RateLimit } from '../core/rate-limits.ts'
import type { RealMachines } from '../core/real-machines.ts'
import { GceApi } from './api.ts'
import { Fingerprint } from './fingerprint.ts'
import { type GroupSettings, misconfigurations, wellSetUp } from './group-settings.ts'
import { ManagedGroup } from './managed-group.ts'
import type { GceCloud } from './methods.ts'
import { Operations } from './operations.ts'
import type { Place } from './resources.ts'
import { externalAccount } from './tokens.ts'
import { currentActions, instanceStatuses } from './words.ts'

export interface FakeGceOptions {
  readonly clock: Clock
  /** Default `fleet-project`. */
  readonly project?: string
  /** Of a zonal group. Default `europe-west1-b`. */
  readonly zone?: string
  /** Makes the group a regional one, of the zones `REGION-b`, `-c` and `-d`. Default: it is zonal. */
  readonly region?: string
  /** The group's name. Default `runners`. */
  readonly name?: string
  readonly lags?: Lags
  /** The largest target size. Default 1,000 in a zone and 2,000 in a region. */
  readonly maxSize?: number
  /** How old the rows of a list of the group's members are, milliseconds. Default 0. */
  readonly listLagMs?: number
  /**
   * How old the fingerprint of the group, and of a machine's metadata, is that a read shows, milliseconds: a change
   * that gives it is refused. Default 0.
   */
  readonly fingerprintLagMs?: number
  /** From a launch that failed in one zone of a region to the group's try in the next, milliseconds. Default 15,000. */
  readonly zoneRetryMs?: number
  /** The most rows on a page of a list, whatever was asked for. Default 500. */
  readonly pageSize?: number
  /** A real machine behind each. Default: none; then nothing answers at their addresses. */
  readonly real?: RealMachines
  /** Default: nothing is limited. See `gceRateLimits`. */
  readonly rateLimits?: Readonly<Record<string, RateLimit>>
  /**
   * The host keys that a machine publishes as guest attributes, as in `authorized_keys`. Default: guest attributes are
   * off.
   */
  readonly hostKeys?: (instance: string) => readonly string[]
  /** Called with each request that was answered. */
  readonly onExchange?: (exchange: Exchange) => void
}

/** Compute Engine with one managed instance group, on a loopback port. */
export class FakeGce implements AsyncDisposable {
  readonly controls: CloudControls
  readonly #server: FakeServer
  readonly #cloud: GceCloud

  static async start(options: FakeGceOptions): Promise<FakeGce> {
    const { clock, rateLimits, onExchange } = options
    const cloud = makeCloud(options)
    const server = await FakeServer.start(new GceApi(cloud), {
      clock,
      ...(rateLimits !== undefined && { rateLimits }),
      ...(onExchange !== undefined && { onExchange }),
    })
    return new FakeGce(server, cloud)
  }

  private constructor(server: FakeServer, cloud: GceCloud) {
    this.#server = server
    this.#cloud = cloud
    this.controls = controlsOf(server, cloud)
  }

  /** The root, for the key `endpoint`: `http://127.0.0.1:4711`. Its host and port serve `GCE_METADATA_HOST` too. */
  get url(): string {
    return this.#server.url
  }

  /** What a file for the key `credentials_file` can hold. */
  get credentials(): object {
    return externalAccount(this.url)
  }

  /** What an operator sets up around the machines; may be changed. */
  get settings(): GroupSettings {
    return this.#cloud.settings
  }

  /** How many machines the group tries to have. */
  get targetSize(): number {
    return this.#cloud.group.targetSize
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }
}

function makeCloud(options: FakeGceOptions): GceCloud {
  const { clock, project = 'fleet-project', name = 'runners', lags = {}, real, hostKeys } = options
  const zone = options.region === undefined ? (options.zone ?? 'europe-west1-b') : undefined
  const region = options.region ?? zone!.replace(/-\w+$/, '')
  const zones = zone === undefined ? ['b', 'c', 'd'].map((letter) => `${region}-${letter}`) : [zone]
  const place: Place = { project, group: name, region, ...(zone !== undefined && { zone }) }
  const machines = new FakeMachines({ clock, lags, real })
  const settings = wellSetUp()
  if (hostKeys !== undefined) settings.metadata.set('enable-guest-attributes', 'TRUE')
  const {
    maxSize = zone === undefined ? 2000 : 1000,
    listLagMs = 0,
    pageSize = 500,
    zoneRetryMs = 15_000,
    fingerprintLagMs = 0,
  } = options
  const templateMetadata = settings.metadata
  const where = { zones, zoneRetryMs, settings, baseInstanceName: name }
  const group = new ManagedGroup({ clock, machines, ...where, maxSize, listLagMs, fingerprintLagMs, templateMetadata })
  const { appearMs = 0 } = lags
  const operations = new Operations(clock)
  const fingerprint = new Fingerprint(clock, fingerprintLagMs)
  return {
    place,
    zones,
    clock,
    group,
    machines,
    settings,
    fingerprint,
    operations,
    appearMs,
    pageSize,
    hostKeys: hostKeys ?? (() => []),
  }
}

function controlsOf(server: FakeServer, { place, group, machines, settings }: GceCloud): CloudControls {
  return {
    saysRetryAfter: true,
    inject: (fault) => server.faults.inject(fault),
    heal: () => server.faults.heal(),
    calls: () => server.calls,
    states: new Map([...currentActions, ...instanceStatuses]),
    setState(id, word) {
      const machine = machines.get(id)
      if (machine !== undefined) machine.word = word
    },
    addForeign: () => group.addForeign(),
    resize: (by) => group.resize(group.targetSize + by),
    kill: (id) => group.lose(id, settings.onFailure === 'REPAIR'),
    machines: () => group.coming().map(({ name }) => name),
    misconfigurations: misconfigurations(settings, place.zone === undefined),
  }
}
