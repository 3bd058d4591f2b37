import type { Clock, Random } from '../contract/clock.ts'
import type { Connector } from '../contract/connector.ts'
import type { InstanceGroup } from '../contract/instance-group.ts'
import type { Logger } from '../contract/logger.ts'
import type { FleetLease, StateRecord } from '../state/state-store.ts'
import type { ProvisionerObserver } from './observer.ts'
import type { ProvisionerSettingsInput } from './settings.ts'

/**
 * What becomes of instances in the group that are none of ours. They get no work and count towards the maximum; `leave`
 * them so · `report` them with a warning · `remove` them. Ours are known by the journal that a lease keeps over
 * processes; without one, and with the first one that is kept, all that are there at the start are taken for ours.
 */
export type UnknownInstances = 'leave' | 'report' | 'remove'

/**
 * How a provisioner has its group. A group that can hold an owner is claimed at the start and looked at before each
 * delete: one that has got another owner is left at once.
 */
export interface OwnerOptions {
  /** Who it is, for people. Default: a fleet without a name. */
  readonly name?: string
  /**
   * Identity of the installation, the same for each of its processes: at most 100 letters, digits, `_` and `-`. With a
   * lease the state has an identity of its own, and this one only says that a process without state was ours. Default:
   * none; without a lease the group is then not claimed.
   */
  readonly id?: string
  /**
   * Which groups it may begin with. `own` such that name us or nobody, and have no instances but ours or none ·
   * `unowned` also one that names nobody and has instances, which are taken for ours where the state knows none · `any`
   * also one that another has. Default `unowned`.
   */
  readonly mayTake?: 'own' | 'unowned' | 'any'
}

export interface ProvisionerOptions {
  readonly group: InstanceGroup
  /** Default: `{}`. */
  readonly owner?: OwnerOptions
  /** Reaches machines by their connect info. Needed unless the group has its own `connect`. */
  readonly connector?: Connector
  /**
   * The most instances that may exist, in whatever state, launches under way included. Default, and when 0: the group's
   * own maximum.
   */
  readonly maxInstances?: number
  /**
   * Where intents are written before they are acted on, and instances kept. Default: in memory. The caller releases it.
   */
  readonly lease?: FleetLease
  /** What the layer above keeps there of who uses instances. Without it all are idle after a restart. */
  readonly usage?: UsageRecords
  /** Default `report`. */
  readonly unknownInstances?: UnknownInstances
  /** Everything absent has its default, see `ProvisionerSettings`. */
  readonly settings?: ProvisionerSettingsInput
  /** A busy check that is there from the start, see `Provisioner.addBusyCheck`. */
  readonly isBusy?: (instanceId: string) => boolean
  readonly observer?: ProvisionerObserver
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

/** Records of the layer above that are about instances: they are loaded with the provisioner's own, and end with it. */
export interface UsageRecords {
  /** What to load. */
  readonly kinds: readonly string[]
  /** The kind whose keys are ids of instances: such a record is deleted when its instance is gone. */
  readonly ofInstance: string
  /** The ids of the instances that are in use according to the records, whoever wrote them. */
  readonly busy: (records: readonly StateRecord[]) => Iterable<string>
}

export interface RequestOptions {
  /** One of `GroupInfo.placements`. */
  readonly placement?: string
  /** Why, for logs and for `launchState`. */
  readonly reason: string
}

export interface ShutdownOptions {
  /**
   * Whether to remove every instance. Busy ones and launches under way are waited for, and removed once they can be; a
   * busy one is never removed.
   */
  readonly removeInstances: boolean
  /** How long that may take, milliseconds. @defaultValue `30_000` */
  readonly timeoutMs?: number
  /** Ends the removal early. */
  readonly signal?: AbortSignal
}

export interface ShutdownReport {
  /**
   * Instances that were to be removed and are not known to be gone: busy ones, and those that were asked for and may
   * still appear, for an hour also those that were given up. Where the cloud has told the ids of the latter they were
   * deleted unseen; where not, one entry stands for a launch: `launch <token> (2 requested)`. A group that has
   * `giveBack` is asked to give them back first: what it has given back is not among these.
   */
  readonly remaining: readonly string[]
}
