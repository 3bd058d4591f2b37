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

/** The zone that a launch was tried in, where the activity names one. */
export function zoneOf({ Details = '' }: Activity): string | undefined {
  try {
    const zone: unknown = Object(JSON.parse(Details))['Availability Zone']
    return typeof zone === 'string' ? zone : undefined
  } catch {
    return undefined
  }
}

/** How many instances the group does not show yet: their launches are under way, or have just ended well. */
export function startingOf({ Instances = [] }: AutoScalingGroup, activities: readonly Activity[]): number {
  const shown = new Set(Instances.map(({ InstanceId }) => InstanceId))
  const ended = new Set(activities.filter((activity) => !isLaunch(activity)).map(instanceOf))
  const isUnshown = (activity: Activity): boolean => {
    const id = instanceOf(activity)
    if (shown.has(id)) return false
    return isUnderWay(activity) || (activity.StatusCode === 'Successful' && id !== undefined && !ended.has(id))
  }
  return activities.filter((activity) => isLaunch(activity) && isUnshown(activity)).length
}

/** A launch that has not failed: it is under way, or ended well. */
export function isGoodLaunch(activity: Activity): boolean {
  return isLaunch(activity) && (isUnderWay(activity) || activity.StatusCode === 'Successful')
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
  const message = StatusMessage ?? Description ?? 'no reason given'
  return new GroupError(meaningOf(message) ?? 'transient', `the Auto Scaling group cannot launch: ${message}`)
}

/** A launch has its end, or its instance is among the group's, within this. */
const startsWithinMs = 600_000

/**
 * Whether these, the newest first, reach back before all that can be under way, and to the moment `toMs` of AWS's time.
 */
export function reachBack(activities: readonly Activity[], toMs: number = Number.POSITIVE_INFINITY): boolean {
  const [newest] = activities
  const oldest = activities.at(-1)
  return (
    newest !== undefined && oldest !== undefined && startMs(oldest) < Math.min(toMs, startMs(newest) - startsWithinMs)
  )
}
