/**
 * Makes, reaches and removes the machines of a cloud instance group.
 *
 * @module
 */

/** Keeps a group within its cloud's published rate limits. */
export { withCallBudget } from './call-budget/with-call-budget.ts'
/** Time and chance, as parameters. */
export { type CancelTimer, type Clock, delay, type Random, systemClock, systemRandom } from './clock.ts'
/** For plugin authors: configuration read at the border, and the key that machines are reached with. */
export { ConfigTable } from './config-table.ts'
/** What a machine is reached by. */
export type { Connection, DialTarget, ExecOptions, Execution, ExitStatus, OutputSink } from './connection.ts'
export { ConnectionKeeper, type ConnectionKeeperOptions } from './connection-keeper.ts'
export type { Connector } from './connector.ts'
export { type Deadline, deadline } from './deadline.ts'
export { describeError } from './describe-error.ts'
/** The closed error vocabularies. */
export {
  asGroupError,
  ConnectionError,
  type ConnectionErrorCode,
  connectionErrorCodes,
  GroupError,
  type GroupErrorCode,
  type GroupErrorOptions,
  groupErrorCodes,
  isConnectionError,
  isGroupError,
} from './errors.ts'
/** Whose a group is, written on the group. */
export { GroupOwnedError, type GroupOwnedOptions } from './group-owned-error.ts'
export {
  describeOwner,
  describeOwners,
  type GroupOwner,
  ownersIn,
  ownerTag,
  readOwner,
  withOwner,
  writtenOwner,
} from './group-owner.ts'
/** What a plugin made is looked at once, before it is relied on. */
export { checkGroup, initGroup } from './init-group.ts'
/** The contract that a plugin implements. */
export type {
  Capability,
  ConnectInfo,
  ConnectorConfig,
  CreateInstanceGroup,
  DecreaseResult,
  Finding,
  GroupInfo,
  GroupRateLimits,
  IncreaseRequest,
  IncreaseResult,
  InstanceGroup,
  InstanceState,
  ListedInstance,
  PluginContext,
  Untold,
} from './instance-group.ts'
export { isFenced, Journal, type JournalOptions, type JournalTrouble, type KeepOptions } from './journal.ts'
export { fleetKeyPair, type KeyPair, newKeyPair, publicKeyOf } from './key-pair.ts'
/** For plugin authors: whose launch a machine is of, told by tags of its group that machines take over. */
export {
  fleetTag,
  fleetTagValue,
  isTaggedFor,
  launchesOf,
  launchesTag,
  type TaggedLaunch,
  type TaggedLaunches,
  type Tags,
  taggedFleet,
  withLaunch,
  withLaunchesEnded,
} from './launch-tags.ts'
export {
  type LoadedPlugin,
  type LoadPluginOptions,
  loadPlugin,
  PluginError,
  type PluginErrorCode,
} from './load-plugin.ts'
export { loggedSeconds } from './logged-seconds.ts'
export { type Logger, silentLogger } from './logger.ts'
export { MachineLaunches, type TaggedMachine } from './machine-launches.ts'
export { MemoryStateStore } from './memory-state-store.ts'
export { OwnerFile } from './owner-file.ts'
export {
  type Instance,
  type InstanceCause,
  type InstanceChange,
  isUsable,
  type Removal,
} from './provisioner/instance.ts'
export type { InstanceCounts } from './provisioner/instance-counts.ts'
export { describeLimit, type InstanceLimit } from './provisioner/instance-limit.ts'
export {
  type LaunchAllowance,
  type LaunchBackoff,
  type LaunchBreaker,
  type LaunchFailureCode,
  type LaunchState,
  launchAllowance,
  type OutstandingLaunch,
  outstandingCount,
  type ThrottleState,
} from './provisioner/launch-state.ts'
export type { GroupOperation, ProvisionerObserver } from './provisioner/observer.ts'
export type {
  OwnerOptions,
  ProvisionerOptions,
  RequestOptions,
  ShutdownOptions,
  ShutdownReport,
  UnknownInstances,
} from './provisioner/options.ts'
export {
  defaultProvisionerSettings,
  type HealthSettings,
  type ProvisionerSettings,
  type ProvisionerSettingsInput,
} from './provisioner/settings.ts'
/** Keeps a group: launches, removes and knows its instances. */
export type { GroupSurvey } from './provisioner/survey.ts'
export { untilAbort } from './provisioner/until-abort.ts'
export { Provisioner } from './provisioner.ts'
export { readRetryAfter } from './retry-after.ts'
export { Semaphore } from './semaphore.ts'
export { fleetDirectory } from './sqlite/fleet-directory.ts'
export { type Address, parseAddress } from './ssh/address.ts'
export type { DialTcp } from './ssh/dial-tcp.ts'
/** The connector for machines with an SSH server. */
export type { HostKeyPins } from './ssh/host-key-pins.ts'
export { parseHostKey } from './ssh/host-keys.ts'
export { createSshConnector, type SshConnectorOptions } from './ssh/ssh-connector.ts'
/** Where intents and facts about a fleet are kept. */
export {
  FencedError,
  type FleetLease,
  type FleetOwner,
  type JsonValue,
  type LeaseOptions,
  type StateChange,
  StateError,
  type StateErrorCode,
  type StateRecord,
  type StateRecordKind,
  type StateStore,
} from './state-store.ts'
