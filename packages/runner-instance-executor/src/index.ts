/**
 * Runs one CI job on one slot of an acquired instance.
 *
 * @module
 */

export { type SweepSlotsOptions, sweepSlots } from './cleanup/sweep-slots.ts'
export type { DetachOptions } from './commands/detached-run.ts'
export type { EnvironmentHandle } from './instance-environment.ts'
export { InstanceExecutor, type InstanceExecutorOptions } from './instance-executor.ts'
export { isKnownLogin, type KnownLogin, type LoginMemory } from './login/known-login.ts'
export type { Trust } from './login/login-guard.ts'
export { SlotClaims, type SlotClaimsOptions } from './slots/slot-claims.ts'
