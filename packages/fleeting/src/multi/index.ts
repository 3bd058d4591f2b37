/**
 * An instance group made of several: zones, machine types, spot and on demand, clouds. In `config.toml`:
 * `plugin = "multi"`.
 *
 * @module
 */

export type { Preference } from './choose-members.ts'
export type { MultiMember } from './group-member.ts'
export { type GroupOfParts, hasParts } from './group-of-parts.ts'
export { MultiGroup, type MultiGroupOptions } from './multi-group.ts'
export { createInstanceGroup } from './plugin.ts'
