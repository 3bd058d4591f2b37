import type { Clock, Random } from './clock.ts'
import type { Connection } from './connection.ts'
import type { ConnectInfo, GroupInfo, InstanceGroup } from './instance-group.ts'
import type { Logger } from './logger.ts'
import type { Instance, InstanceChange } from './provisioner/instance.ts'
import type { LaunchState } from './provisioner/launch-state.ts'
import type { InstanceCounts, ProvisionerObserver } from './provisioner/observer.ts'
import type { ProvisionerSettings } from './provisioner/settings.ts'
import type { FleetLease } from './state-store.ts'

export interface ProvisionerOptions {
  readonly group: InstanceGroup
  /** Reaches machines by their connect info. Needed unless the group has its own `connect`. */
  readonly connector?: { connect(info: ConnectInfo, signal: AbortSignal): Promise<Connection> }
  /** The most instances that may exist, in whatever state, launches under way included. Default, and when 0: the group's own maximum. */
  readonly maxInstances?: number
  /** Where intents are written before they are acted on. Default: in memory. The caller releases it. */
  readonly lease?: FleetLease
  /** Everything absent has its default, see {@link ProvisionerSettings}. */
  readonly settings?: Partial<ProvisionerSettings>
  readonly observer?: ProvisionerObserver
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

export interface RequestOptions {
  /** One of `GroupInfo.placements`. */
  readonly placement?: string
  /** Why, for logs and for `launchState`. */
  readonly reason: string
}

export interface ShutdownOptions {
  /** Whether to remove every instance that is not busy. Launches under way are waited for, so that what they bring is removed too. */
  readonly removeInstances: boolean
  /** How long the removal may take, milliseconds. Default 30,000. */
  readonly timeoutMs?: number
  /** Ends the removal early. */
  readonly signal?: AbortSignal
}

/**
 * Keeps one instance group: launches and removes instances, knows which exist, and tells who wants to know. Level-triggered: `list` is the truth, and every pass starts from it.
 *
 * An instance goes request → seen → running → gone. It never removes one that a busy check calls busy.
 */
export declare class Provisioner implements AsyncDisposable {
  /**
   * Initialises the group and reads it once. Thrown: `GroupError` (what `init` and `list` throw; `invalid_config` when `maxInstances` is above the group's own maximum).
   * `signal` ends the start, not the provisioner.
   */
  static start(options: ProvisionerOptions, signal: AbortSignal): Promise<Provisioner>
  /** What the group said about itself. */
  readonly info: GroupInfo
  readonly maxInstances: number
  /** All known instances, a live view; each value is immutable. */
  instances(): ReadonlyMap<string, Instance>
  /**
   * Asks for `count` more instances and answers how many it took, 0 … `count`: as many as {@link launchAllowance} of the launch state allows. What it did not take is not queued: ask again when the state changed.
   * Those taken count as outstanding until they are seen, refused or past their deadline.
   */
  request(count: number, options: RequestOptions): number
  /**
   * Cordons instances and removes them: from this call on they are not usable; the intent is written, busy checks are asked once more, then the delete is sent until `list` shows them gone.
   * Answers the ids it took; unknown and busy ones are left alone.
   */
  remove(ids: Iterable<string>, reason: string): readonly string[]
  /**
   * Registers who knows whether an instance is in use. Nothing that any check calls busy is ever deleted, whoever asked for it. Called on every pass: answer from memory.
   * Whoever lends instances out must not lend one whose `removal` is set. Returns how to stop.
   */
  addBusyCheck(isBusy: (instanceId: string) => boolean): () => void
  /**
   * The slot's connection to an instance, kept between calls. Success and failure count for its health. Thrown: `ConnectionError`; `GroupError` (`not_ready`: try again later; `not_found`: gone).
   */
  connect(instanceId: string, slot: number, signal: AbortSignal): Promise<Connection>
  /** Work found that the instance does not do (its ready command failed, a connection broke). Counts as one failed check. */
  reportFailure(instanceId: string, error: Error): void
  /** Work found the instance good (it became ready). Counts as one good check. */
  reportSuccess(instanceId: string): void
  /** All that decides about launches, as plain data. */
  launchState(now?: number): LaunchState
  /** Instances by state, for gauges. */
  counts(): InstanceCounts
  /** `Clock.now()` of the begin of the last successful `list`: progress, for a health endpoint. */
  readonly listedAt: number
  /** Set once this provisioner may not act any more because another process owns the fleet. */
  readonly fenced: Error | undefined
  /** Calls `listener` after each change: of instances (listed), or of the launch state (an empty list). Returns how to stop. */
  onChange(listener: (changes: readonly InstanceChange[]) => void): () => void
  /**
   * Stops launching, removes instances if asked, ends every call under way and calls the group's `shutdown`. Idempotent: later calls get the first one's answer.
   * Answers the ids of instances that were to be removed and are not known to be gone.
   */
  shutdown(options: ShutdownOptions): Promise<{ readonly remaining: readonly string[] }>
  [Symbol.asyncDispose](): Promise<void>
}
