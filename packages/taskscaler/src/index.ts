/**
 * Decides how many machines there must be and which job gets which slot.
 *
 * @module
 */
export { type Acquisition, InstanceLostError, NoCapacityError, type NoCapacityReason, type Reservation } from './acquisition.ts'
export type { DemandSource } from './demand-source.ts'
export type { IdlePolicy } from './policy.ts'
