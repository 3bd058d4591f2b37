import type { Clock, InstanceState } from '@runner-core/fleeting'
import type { CloudControls } from '@runner-core/fleeting/testing'
import type { Lags } from '../core/fake-machines.ts'
import { FakeServer, type FakeServerOptions } from '../core/fake-server.ts'
import type { RealMachines } from '../core/real-machines.ts'
import { ArmApi } from './arm-api.ts'
import type { ArmScope } from './arm-resources.ts'
import { selfSignedCertificate } from './certificate.ts'
import { ScaleSet, type ScaleSetModel, type ScaleSetSettings } from './scale-set.ts'
import type { ClientSecret } from './token-endpoint.ts'

export interface FakeAzureOptions {
  readonly clock: Clock
  readonly lags?: Lags
  /** Orchestration mode of the scale set. Default `Uniform`. */
  readonly mode?: 'Uniform' | 'Flexible'
  /**
   * What a launch that fails after it was accepted leaves behind: machines in the state `Failed`, or nothing but the
   * raised size. Default `failed machines`.
   */
  readonly failedLaunches?: 'failed machines' | 'nothing'
  /**
   * When a machine copies the tags of the set: when its launch is accepted, or once it is shown, so that a change in
   * between applies to it. Azure does not document which. Default `when shown`.
   */
  readonly tagged?: 'when accepted' | 'when shown'
  /** How long size and etag are shown as before an accepted delete or an eviction, milliseconds. Default 0. */
  readonly capacityLagMs?: number
  /** How far lists of machines lag behind, milliseconds; the set itself is current. Default 0. */
  readonly listLagMs?: number
  /** Zones that the set spreads its machines over. Default: none, a regional set. */
  readonly zones?: readonly string[]
  /**
   * What happens to a machine whose zone is one of `settings.fullZones`. `tried elsewhere`: it is launched in another
   * zone, unless two zones are full or the set balances strictly; then nothing is launched. `failed`: it fails, and
   * machines in other zones are launched. Default `tried elsewhere`.
   */
  readonly withoutRoom?: 'tried elsewhere' | 'failed'
  /** Time from a launch without capacity in its zone to the attempt in another, milliseconds. Default 15,000. */
  readonly zoneRetryMs?: number
  readonly real?: RealMachines
  /** By bucket, for example `azureRateLimits`. Default: nothing is limited. */
  readonly rateLimits?: NonNullable<FakeServerOptions['rateLimits']>
  /** Rows of one page of a list. Default 500; Azure does not publish its own. */
  readonly pageSize?: number
  /**
   * `Retry-After` of an operation in progress, seconds. Default 0, so that tests need not wait; Azure sends 10 or more.
   */
  readonly pollAfterSeconds?: number
  readonly onExchange?: NonNullable<FakeServerOptions['onExchange']>
}

const scope: ArmScope = {
  subscriptionId: '00000000-0000-4000-8000-000000000000',
  resourceGroup: 'fake-group',
  location: 'westeurope',
}
const client: ClientSecret = {
  tenantId: '00000000-0000-4000-8000-00000000000a',
  clientId: '00000000-0000-4000-8000-00000000000b',
  clientSecret: 'fake-client-secret',
}

/**
 * A fake of Azure for one virtual machine scale set: Resource Manager over TLS, and the authority that issues tokens
 * for it.
 */
export class FakeAzure implements AsyncDisposable {
  /** `plugin_config` of a plugin that uses this fake, except that {@link certificate} has to be trusted. */
  readonly config: Readonly<
    Record<'name' | 'subscription_id' | 'resource_group_name' | 'endpoint' | 'authority_host', string>
  >
  /** Environment variables with which Azure's identity library logs in to this fake. */
  readonly env: Readonly<Record<'AZURE_TENANT_ID' | 'AZURE_CLIENT_ID' | 'AZURE_CLIENT_SECRET', string>> = {
    AZURE_TENANT_ID: client.tenantId,
    AZURE_CLIENT_ID: client.clientId,
    AZURE_CLIENT_SECRET: client.clientSecret,
  }
  /** Certificate of this server, PEM. Clients trust it as an authority. */
  readonly certificate: string
  readonly controls: CloudControls
  /** The state of the region. May be changed at any time. */
  readonly settings: ScaleSetSettings
  readonly #server: FakeServer
  readonly #set: ScaleSet

  static async start(options: FakeAzureOptions): Promise<FakeAzure> {
    const { clock, lags = {}, mode = 'Uniform', failedLaunches = 'failed machines', tagged = 'when shown' } = options
    const { real, rateLimits, onExchange } = options
    const settings: ScaleSetSettings = { fullZones: [] }
    const set = new ScaleSet({
      clock,
      name: 'fake-set',
      mode,
      lags,
      failedLaunches,
      tagged,
      capacityLagMs: options.capacityLagMs ?? 0,
      listLagMs: options.listLagMs ?? 0,
      zones: options.zones ?? [],
      settings,
      withoutRoom: options.withoutRoom ?? 'tried elsewhere',
      zoneRetryMs: options.zoneRetryMs ?? 15_000,
      ...(real !== undefined && { real }),
    })
    const tls = await selfSignedCertificate()
    const api = new ArmApi({
      scope,
      set,
      client,
      pageSize: options.pageSize ?? 500,
      pollAfterSeconds: options.pollAfterSeconds ?? 0,
    })
    const server = await FakeServer.start(api, {
      clock,
      tls,
      ...(rateLimits !== undefined && { rateLimits }),
      ...(onExchange !== undefined && { onExchange }),
    })
    return new FakeAzure(server, set, settings, tls.cert)
  }

  private constructor(server: FakeServer, set: ScaleSet, settings: ScaleSetSettings, certificate: string) {
    this.#server = server
    this.#set = set
    this.settings = settings
    this.certificate = certificate
    this.config = {
      name: set.name,
      subscription_id: scope.subscriptionId,
      resource_group_name: scope.resourceGroup,
      endpoint: server.url,
      authority_host: server.url,
    }
    this.controls = controlsOf(server, set)
  }

  get url(): string {
    return this.#server.url
  }

  /** The requested size, `sku.capacity`. */
  get capacity(): number {
    return this.#set.capacity
  }

  /** The set's tags. */
  get tags(): Readonly<Record<string, string>> {
    return this.#set.tags
  }

  /** Replaces all tags of the set, as another party would. */
  retag(tags: Readonly<Record<string, string>>): void {
    this.#set.retag(tags)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]()
  }
}

const states: ReadonlyMap<string, readonly InstanceState[]> = new Map<string, readonly InstanceState[]>([
  ['Creating', ['creating']],
  ['Updating', ['running']],
  ['Succeeded', ['running']],
  ['Migrating', ['running']],
  ['Failed', ['failed']],
  ['Canceled', ['failed']],
  ['Deleting', ['deleting']],
])

/** Faulty settings by the finding that `init` must report for each. */
const misconfigured: Readonly<Record<string, Partial<ScaleSetModel>>> = {
  overprovision_on: { overprovision: true },
  upgrade_policy_not_manual: { upgradeMode: 'Automatic' },
  automatic_repairs_on: { automaticRepairs: true },
  single_placement_group: { singlePlacementGroup: true },
  spot_restore_on: { spotRestore: true },
  spot_deallocates: { evictionPolicy: 'Deallocate' },
  autoscale_setting: { hasAutoscaleSetting: true },
  zone_balance_strict: { strictZoneBalance: true },
  zone_rebalancing_on: { zoneRebalancing: true },
}
const otherFleet = { 'runner-core-fleet': 'another' }
/** A Flexible set has none of these. */
const uniformOnly = ['overprovision_on', 'upgrade_policy_not_manual']
/** A set with fewer than two zones has none of these. */
const acrossZonesOnly = ['zone_balance_strict', 'zone_rebalancing_on']

function controlsOf(server: FakeServer, set: ScaleSet): CloudControls {
  const misconfigure = (faulty: Partial<ScaleSetModel>): (() => void) => {
    const sound = { ...set.model }
    set.change(faulty)
    return () => set.change(sound)
  }
  const retag = (): (() => void) => {
    const { tags } = set
    set.retag({ ...tags, ...otherFleet })
    return () => set.retag(tags)
  }
  return {
    inject: (fault) => server.faults.inject(fault),
    heal: () => server.faults.heal(),
    calls: () => server.calls,
    saysRetryAfter: true,
    states,
    setState(id, word) {
      const machine = set.machines.get(id)
      if (machine !== undefined) machine.word = word
    },
    addForeign() {
      const before = new Set(set.machines.all())
      set.resize(set.capacity + 1)
      return set.machines.all().find((machine) => !before.has(machine))!.id
    },
    resize: (by) => void set.resize(Math.max(0, set.capacity + by)),
    kill: (id) => set.kill(id),
    machines: () => set.machines.all().map(({ id }) => id),
    misconfigurations: new Map([
      ...Object.entries(misconfigured)
        .filter(([code]) => set.mode === 'Uniform' || !uniformOnly.includes(code))
        .filter(([code]) => set.zones.length > 1 || !acrossZonesOnly.includes(code))
        .map(([code, faulty]) => [code, () => misconfigure(faulty)] as const),
      ['set_of_other_fleet', retag],
    ]),
  }
}
