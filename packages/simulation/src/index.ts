/**
 * Deterministic simulation with fault injection, in which the seven promises are tested.
 *
 * @module
 */
export { type Bug, bugs } from './bugs.ts'
export { findBug, type Proof, prove } from './prove.ts'
export { brokenText } from './story.ts'
export { World } from './world.ts'
export type { WorldSetting } from './world-setting.ts'
