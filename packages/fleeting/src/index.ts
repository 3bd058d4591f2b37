/**
 * Makes, reaches and removes the machines of a cloud instance group.
 *
 * @module
 */

/** Time and chance, as parameters. */
export { type CancelTimer, type Clock, delay, type Random, systemClock, systemRandom } from './contract/clock.ts'
/** For plugin authors: configuration read at the border, and the key that machines are reached with. */
export { ConfigTable } from './contract/config-table.ts'
/** What a machine is reached by. */
export type { Connection, DialTarget, ExecOptions, Execution, ExitStatus, OutputSink } from './contract/connection.ts'
export type { Connector } from './contract/connector.ts'
export { type Deadline, deadline } from './contract/deadline.ts'
export { describeError } from './contract/describe-error.ts'
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
} from './contract/errors.ts'
export {
  describeOwner,
  describeOwners,
  type GroupOwner,
  ownersIn,
  ownerTag,
  readOwner,
  withOwner,
  writtenOwner,
} from './contract/group-owner.ts'
/** The connector for machines with an SSH server. */
export type { HostKeyPins } from './contract/host-key-pins.ts'
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
} from './contract/instance-group.ts'
export { fleetKeyPair, type KeyPair, newKeyPair, publicKeyOf } from './contract/key-pair.ts'
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
} from './contract/launch-tags.ts'
export { loggedSeconds } from './contract/logged-seconds.ts'
export { type Logger, silentLogger } from './contract/logger.ts'
export { MachineLaunches, type TaggedMachine } from './contract/machine-launches.ts'
export { OwnerFile } from './contract/owner-file.ts'
export { readRetryAfter } from './contract/retry-after.ts'
export { Semaphore } from './contract/semaphore.ts'
export { untilAbort } from './contract/until-abort.ts'
/** What a plugin made is looked at once, before it is relied on. */
export { checkGroup, initGroup } from './plugins/init-group.ts'
export {
  type LoadedPlugin,
  type LoadPluginOptions,
  loadPlugin,
  PluginError,
  type PluginErrorCode,
} from './plugins/load-plugin.ts'
/** Keeps a group within its cloud's published rate limits. */
export { withCallBudget } from './provisioner/calls/with-call-budget.ts'
export { ConnectionKeeper, type ConnectionKeeperOptions } from './provisioner/connections/connection-keeper.ts'
/** Whose a group is, written on the group. */
export { GroupOwnedError, type GroupOwnedOptions } from './provisioner/group-owned-error.ts'
export {
  type Instance,
  type InstanceCause,
  type InstanceChange,
  isUsable,
  type Removal,
} from './provisioner/instances/instance.ts'
export type { InstanceCounts } from './provisioner/instances/instance-counts.ts'
/** Keeps a group: launches, removes and knows its instances. */
export type { GroupSurvey } from './provisioner/instances/survey.ts'
export { describeLimit, type InstanceLimit } from './provisioner/launches/instance-limit.ts'
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
} from './provisioner/launches/launch-state.ts'
export type { GroupOperation, ProvisionerObserver } from './provisioner/observer.ts'
export type {
  OwnerOptions,
  ProvisionerOptions,
  RequestOptions,
  ShutdownOptions,
  ShutdownReport,
  UnknownInstances,
} from './provisioner/options.ts'
export { Provisioner } from './provisioner/provisioner.ts'
export {
  defaultProvisionerSettings,
  type HealthSettings,
  type ProvisionerSettings,
  type ProvisionerSettingsInput,
} from './provisioner/settings.ts'
export { type Address, parseAddress } from './ssh/address.ts'
export type { DialTcp } from './ssh/dial-tcp.ts'
export { parseHostKey } from './ssh/host-keys.ts'
export { createSshConnector, type SshConnectorOptions } from './ssh/ssh-connector.ts'
export { isFenced, Journal, type JournalOptions, type JournalTrouble, type KeepOptions } from './state/journal.ts'
export { MemoryStateStore } from './state/memory-state-store.ts'
export { fleetDirectory } from './state/sqlite/fleet-directory.ts'
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
} from './state/state-store.ts'
