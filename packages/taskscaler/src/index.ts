/**
 * Decides how many machines there must be and which job gets which slot.
 *
 * @module
 */

/** What is lent: a reservation becomes an acquisition. */
export {
  type AcquireOptions,
  type Acquisition,
  AlreadyEndedError,
  InstanceEndingError,
  InstanceLostError,
  NoCapacityError,
  type NoCapacityReason,
  type Reservation,
  type ReserveOptions,
} from './acquisition.ts'
export { breakerText } from './breaker-text.ts'
export type { Counters, ScaleOperations, TaskOperations } from './counters.ts'
/** The record of decisions, for those who ask why. */
export type { Decision, DecisionKind } from './decision.ts'
export { DecisionLog, type DecisionLogOptions } from './decision-log.ts'
/** Work that waits elsewhere. */
export type { DemandSource } from './demand-source.ts'
export { durationText } from './duration-text.ts'
export { type FirstPlan, firstPlan } from './first-plan.ts'
export type { InstanceStatus } from './instance-status.ts'
/** How much to keep in reserve, and when. */
export { InvalidSettingsError } from './invalid-settings.ts'
/** What acts. */
export type { TaskscalerObserver } from './observer.ts'
export { type PQueueLike, pQueueDemand } from './p-queue-demand.ts'
export { compilePeriod, type Period } from './period.ts'
/** The decision, as a pure function. */
export { plan } from './plan.ts'
export { defaultPolicy, type IdlePolicy, idleTarget, type ResolvedPolicy, resolvePolicy } from './policy.ts'
export { QueueDepth, type QueueDepthOptions } from './queue-depth.ts'
export type { ReadyCheck } from './readiness.ts'
/** One task on one slot. */
export { type CommandOptions, type CommandResult, OutputLimitError } from './run-command.ts'
export { type RunOptions, type TaskSlot, TaskTimeoutError } from './run-task.ts'
export type { HeldBack, IncreaseDecision, InstanceDecision, ScalingPlan } from './scaling-plan.ts'
export type { CondemnedInstance, Demand, IdleInstance, ScalingSnapshot, Supply } from './scaling-snapshot.ts'
export { activePolicy, compileSchedule, type Schedule } from './schedule.ts'
export type { TaskCounts, TaskscalerStatus } from './status.ts'
export { Taskscaler } from './taskscaler.ts'
export type { TaskscalerOptions } from './taskscaler-options.ts'
export type { LentSlot } from './usage-records.ts'
