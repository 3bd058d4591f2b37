import type { Activity, AutoScalingGroup } from '@aws-sdk/client-auto-scaling'
import { GroupError } from '@runner-core/fleeting'
import { meaningOf } from './errors.ts'

// Scaling activities say what they did in sentences; these are from memory, no model of AWS has them.

function isLaunch({ Description }: Activity): boolean {
  return Description?.startsWith('Launching a new EC2 instance') === true
}

function isUnderWay({ StatusCode }: Activity): boolean {
  return StatusCode !== 'Successful' && StatusCode !== 'Failed' && StatusCode !== 'Cancelled'
}

function instanceOf({ Description = '' }: Activity): string | undefined {
  return /\bi-[0-9a-f]+\b/.exec(Description)?.[0]
}

/** How many launches are under way whose instances the group does not show yet. */
export function startingOf({ Instances = [] }: AutoScalingGroup, activities: readonly Activity[]): number {
  const shown = new Set(Instances.map(({ InstanceId }) => InstanceId))
  return activities.filter((activity) => isLaunch(activity) && isUnderWay(activity) && !shown.has(instanceOf(activity))).length
}

/** A launch that the group has tried in vain. One that was cancelled without a reason was not wanted any more. */
export function isFailedLaunch(activity: Activity): boolean {
  const { StatusCode, StatusMessage } = activity
  return isLaunch(activity) && (StatusCode === 'Failed' || (StatusCode === 'Cancelled' && Boolean(StatusMessage)))
}

export function startMs({ StartTime }: Activity): number {
  return StartTime?.getTime() ?? 0
}

/** Why a launch failed. */
export function launchError({ StatusMessage, Description }: Activity): GroupError {
  const message = StatusMessage ?? Description ?? 'no reason is given'
  return new GroupError(meaningOf(message) ?? 'transient', `the Auto Scaling group cannot launch: ${message}`)
}
