/**
 * Decides how many machines there must be and which job gets which slot.
 *
 * @module
 */

export type { Counters, ScaleOperations, TaskOperations } from './counters.ts'
/** Work that waits elsewhere. */
export type { DemandSource } from './demand/demand-source.ts'
export { type PQueueLike, pQueueDemand } from './demand/p-queue-demand.ts'
export { QueueDepth, type QueueDepthOptions } from './demand/queue-depth.ts'
export { durationText } from './duration-text.ts'
/** The record of decisions, for those who ask why. */
export type { Decision, DecisionKind } from './explain/decision.ts'
export { DecisionLog, type DecisionLogOptions } from './explain/decision-log.ts'
export type { InstanceStatus } from './explain/instance-status.ts'
export type { TaskCounts, TaskscalerStatus } from './explain/status.ts'
export { InvalidSettingsError } from './invalid-settings.ts'
export { type FirstPlan, firstPlan } from './loop/first-plan.ts'
export type { ReadyCheck } from './loop/readiness.ts'
export type { WarmUp, WarmUpOptions } from './loop/warm-up.ts'
export type { TaskscalerObserver } from './observer.ts'
/** The decision, as a pure function. */
export { breakerText } from './plan/breaker-text.ts'
export { compilePeriod, type Period } from './plan/period.ts'
export { plan } from './plan/plan.ts'
/** How much to keep in reserve, and when. */
export { defaultPolicy, type IdlePolicy, idleTarget, type ResolvedPolicy, resolvePolicy } from './plan/policy.ts'
export type { HeldBack, IncreaseDecision, InstanceDecision, ScalingPlan } from './plan/scaling-plan.ts'
export type { CondemnedInstance, Demand, IdleInstance, ScalingSnapshot, Supply } from './plan/scaling-snapshot.ts'
export { activePolicy, compileSchedule, type Schedule } from './plan/schedule.ts'
/** One task on one slot. */
export { type CommandOptions, type CommandResult, OutputLimitError } from './run-command.ts'
export { type RunOptions, type TaskSlot, TaskTimeoutError } from './run-task.ts'
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
} from './slots/acquisition.ts'
export { type LentSlot, usageRecords } from './slots/usage-records.ts'
/** What acts. */
export { Taskscaler } from './taskscaler.ts'
export type { TaskscalerOptions } from './taskscaler-options.ts'
