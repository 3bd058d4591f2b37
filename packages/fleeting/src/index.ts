/**
 * The instance group contract: what the author of a plugin implements and imports.
 *
 * @module
 */

/** How long to wait before another try. */
export { type BackoffCurve, backoffMs } from './contract/backoff.ts'
/** Time and chance, as parameters. */
export { type CancelTimer, type Clock, delay, type Random, systemClock, systemRandom } from './contract/clock.ts'
/** Configuration read at the border. */
export { ConfigTable } from './contract/config-table.ts'
/** What a machine is reached by. */
export type {
  Connection,
  DialTarget,
  ExecOptions,
  Execution,
  ExitStatus,
  OutputSink,
} from './contract/connection.ts'
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
/** Whose a group is, written on the group. */
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
/** Host keys that the caller keeps, so that a machine whose key changes is noticed. */
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
export type { KeyPair } from './contract/key-pair.ts'
/** Whose launch a machine is of, told by tags of its group that machines take over. */
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
export { TaskQueue } from './contract/task-queue.ts'
export { untilAbort } from './contract/until-abort.ts'
