/**
 * The seven promises, tried in a world that does its worst.
 *
 * @module
 */
export { type Bug, bugs } from './bugs.ts'
export { findBug, type Proof, prove } from './prove.ts'
export { brokenText } from './story.ts'
export { World } from './world.ts'
export type { WorldSetting } from './world-setting.ts'
