import type { Activity, AutoScalingGroup } from '@aws-sdk/client-auto-scaling'
import { startingOf } from './activities.ts'
import { fillsCapacity } from './states.ts'

/** How many instances fill the desired capacity, those still being created included. */
function presentOf({ Instances = [] }: AutoScalingGroup): number {
  return Instances.filter(fillsCapacity).length
}

/** How much of the desired capacity has no instance. 0: all has come that was asked for. */
export function missingOf(group: AutoScalingGroup): number {
  return Math.max(0, (group.DesiredCapacity ?? 0) - presentOf(group))
}

/** How many instances there are more than are wanted. */
export function surplusOf(group: AutoScalingGroup): number {
  return Math.max(0, presentOf(group) - (group.DesiredCapacity ?? 0))
}

/**
 * What a raise adds to: the desired capacity, or what is there where that is more. Somebody else's raise may not show
 * yet although its instances do, and what stays after somebody lowered the size is there as well.
 */
export function baseOf(group: AutoScalingGroup): number {
  return Math.max(group.DesiredCapacity ?? 0, presentOf(group))
}

/** How many more the group may have. */
export function roomOf(group: AutoScalingGroup): number {
  return Math.max(0, (group.MaxSize ?? 0) - baseOf(group))
}

/**
 * The desired capacity after as many as possible of `count` launches that failed were given back. Never below what
 * exists or is on its way, nor below the group's minimum.
 *
 * Between the read of `group` and the write the group may succeed with a launch after all, and then has one instance
 * too many, of which it picks one itself. So nothing is given back unless every instance that could be at work is
 * protected from scale-in and every new one will be: then the one picked can only be one that has never worked.
 * docs/decisions/aws-desired-capacity.md tells the whole of it.
 */
export function loweredCapacity(
  group: AutoScalingGroup,
  activities: readonly Activity[],
  count: number,
): { readonly capacity: number; readonly reason?: string } {
  const { DesiredCapacity = 0, MinSize = 0 } = group
  if (!isProtected(group))
    return {
      capacity: DesiredCapacity,
      reason: 'not every instance is protected from scale-in, so AWS could terminate one that is in use',
    }
  const floor = presentOf(group) + startingOf(group, activities)
  const capacity = Math.min(DesiredCapacity, Math.max(DesiredCapacity - count, floor, MinSize))
  if (capacity === DesiredCapacity - count) return { capacity }
  return { capacity, reason: capacity === MinSize ? `its minimum is ${MinSize}` : 'it is trying again to launch' }
}

function isProtected({ NewInstancesProtectedFromScaleIn, Instances = [] }: AutoScalingGroup): boolean {
  const atWork = Instances.filter(
    (instance) => fillsCapacity(instance) && instance.LifecycleState?.startsWith('Pending') !== true,
  )
  return (
    NewInstancesProtectedFromScaleIn === true &&
    atWork.every(({ ProtectedFromScaleIn }) => ProtectedFromScaleIn === true)
  )
}
