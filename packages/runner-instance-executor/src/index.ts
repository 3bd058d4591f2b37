/**
 * Runs one CI job on one slot of an acquired instance.
 *
 * @module
 */
export { ConcurrentIds } from './concurrent-ids.ts'
export type { DetachOptions } from './detached-run.ts'
export type { EnvironmentHandle } from './instance-environment.ts'
export {
  InstanceExecutor,
  type InstanceExecutorOptions,
  type PreparedInstance,
  type PrepareOptions,
} from './instance-executor.ts'
export { isKnownLogin, type KnownLogin, type LoginMemory } from './known-login.ts'
export type { Trust } from './login-guard.ts'
export { SlotClaims, type SlotClaimsOptions } from './slot-claims.ts'
export { type SweepSlotsOptions, sweepSlots } from './sweep-slots.ts'
export { WaitLines, type WaitLinesOptions } from './wait-lines.ts'
