/**
 * The provisioner: launches the instances of a group, knows them, and removes them.
 *
 * @module
 */

/** Keeps a group within its cloud's published rate limits. */
export { withCallBudget } from './calls/with-call-budget.ts'
export { GroupOwnedError, type GroupOwnedOptions } from './group-owned-error.ts'
export { type Instance, type InstanceCause, type InstanceChange, isUsable, type Removal } from './instances/instance.ts'
export type { InstanceCounts } from './instances/instance-counts.ts'
export type { GroupSurvey } from './instances/survey.ts'
export { describeLimit, type InstanceLimit } from './launches/instance-limit.ts'
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
} from './launches/launch-state.ts'
export type { GroupOperation, ProvisionerObserver } from './observer.ts'
export type {
  OwnerOptions,
  ProvisionerOptions,
  RequestOptions,
  ShutdownOptions,
  ShutdownReport,
  UnknownInstances,
  UsageRecords,
} from './options.ts'
export { Provisioner } from './provisioner.ts'
export {
  defaultProvisionerSettings,
  type HealthSettings,
  type ProvisionerSettings,
  type ProvisionerSettingsInput,
} from './settings.ts'
