import type { Activity, AutoScalingGroup } from '@aws-sdk/client-auto-scaling'
import { isFailedLaunch, isGoodLaunch, launchError, startMs, zoneOf } from './activities.ts'

/** What a group's activities since it was last asked for more say of the launches that are missing. */
export interface LaunchOutlook {
  /** The newest that failed. */
  readonly failure: Activity | undefined
  /** When the last launch began that did not fail, AWS's time; 0: none. */
  readonly progressMs: number
  /** Nothing suggests that the group's next try will fare better. Otherwise it goes on to another zone. */
  readonly isHopeless: boolean
}

/**
 * By default a group tries its zones one after the other, so one failure says little: all zones must have failed since
 * a launch last worked. What is not about a zone (a quota of the region, a permission, a missing image) fails in all of
 * them.
 *
 * @param fresh the newest first
 */
export function launchOutlook({ AvailabilityZones = [] }: AutoScalingGroup, fresh: readonly Activity[]): LaunchOutlook {
  const progressMs = Math.max(0, ...fresh.filter(isGoodLaunch).map(startMs))
  const failures = fresh.filter((activity) => isFailedLaunch(activity) && startMs(activity) >= progressMs)
  const failedZones = new Set(failures.map(zoneOf))
  const isEverywhere = AvailabilityZones.every((zone) => failedZones.has(zone))
  const [failure] = failures
  return { failure, progressMs, isHopeless: failure !== undefined && (isEverywhere || !isOfZone(failure)) }
}

function isOfZone(failure: Activity): boolean {
  const { code, message } = launchError(failure)
  const isOfRegion = code === 'quota' || code === 'auth' || code === 'invalid_config'
  return !isOfRegion || /availability zone|subnet|free address/i.test(message)
}
