import { GroupError } from '../../contract/errors.ts'
import type { GroupInfo } from '../../contract/instance-group.ts'

/** The most instances that may exist or be outstanding together. */
export interface InstanceLimit {
  readonly maxInstances: number
  /** Whose number it is: that of the key `max_instances`, or the group's own. */
  readonly maximumOf: 'configuration' | 'group'
}

/**
 * The bound that holds for a group. `configured` absent or 0: the group's own maximum. Thrown: `invalid_config` when
 * the configuration wants more than the group can have: to cut it silently would hide that the group is too small.
 */
export function instanceLimit(configured: number | undefined, { id, maxSize }: GroupInfo): InstanceLimit {
  if (configured === undefined || configured === 0) return { maxInstances: maxSize, maximumOf: 'group' }
  if (configured >= 0 && configured <= maxSize) return { maxInstances: configured, maximumOf: 'configuration' }
  throw new GroupError(
    'invalid_config',
    `max_instances: expected at most ${maxSize}, the maximum of group ${id}, got ${configured}`,
  )
}

/** Names the bound, for people. */
export function describeLimit({ maxInstances, maximumOf }: InstanceLimit): string {
  return maximumOf === 'configuration' ? `max_instances ${maxInstances}` : `the group's own maximum of ${maxInstances}`
}
