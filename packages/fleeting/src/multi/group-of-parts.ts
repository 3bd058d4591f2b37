import type { InstanceGroup } from '../contract/instance-group.ts'

/** A group made of several, which works as a whole while some of them do not. */
export interface GroupOfParts extends InstanceGroup {
  /**
   * Why parts of it cannot be reached or read, for people; undefined while all of them work. Only looks, and never
   * throws.
   */
  partTrouble(): string | undefined
}

/** Whether a group can name the parts of it that do not work. */
export function hasParts(group: InstanceGroup): group is GroupOfParts {
  return typeof (group as Partial<GroupOfParts>).partTrouble === 'function'
}
