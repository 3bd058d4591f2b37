import type { Activity, AutoScalingGroup } from '@aws-sdk/client-auto-scaling'
import { ManualClock, seededRandom } from '@runner-core/fleeting/testing'
import { describe, expect, test } from 'vitest'
import { FailedLaunches } from './failed-launches.ts'
import { launchOutlook } from './launch-outlook.ts'

const noRoom = 'We currently do not have sufficient m7i.large capacity in the Availability Zone you requested.'
const zones = ['a', 'b']
let number = 0

const launch = (at: number, zone: string | undefined, failure?: string): Activity => {
  number += 1
  return {
    ActivityId: String(number),
    Description: `Launching a new EC2 instance${failure === undefined ? `: i-${number}` : ''}`,
    StartTime: new Date(at),
    StatusCode: failure === undefined ? 'InProgress' : 'Failed',
    StatusMessage: failure,
    Details: zone === undefined ? 'no details' : JSON.stringify({ 'Availability Zone': zone }),
  } as Activity
}
const group = (desired: number): AutoScalingGroup =>
  ({ AvailabilityZones: zones, DesiredCapacity: desired, Instances: [] }) as unknown as AutoScalingGroup
const isHopeless = (...newestFirst: readonly Activity[]): boolean => launchOutlook(group(1), newestFirst).isHopeless

describe('launches that fail', () => {
  test('are hopeless once each zone has failed since a launch last worked', () => {
    expect(isHopeless(launch(1, 'a', noRoom))).toBe(false)
    expect(isHopeless(launch(2, 'b', noRoom), launch(1, 'a', noRoom))).toBe(true)
    expect(isHopeless(launch(3, 'b', noRoom), launch(2, 'b'), launch(1, 'a', noRoom))).toBe(false)
    expect(isHopeless(launch(4, 'a', noRoom), launch(3, 'b', noRoom), launch(2, 'b'), launch(1, 'a', noRoom))).toBe(
      true,
    )
    expect(isHopeless(launch(2, undefined, noRoom), launch(1, 'a', noRoom))).toBe(false)
    expect(isHopeless(launch(1, 'a'))).toBe(false)
  })

  test('are hopeless at once when the next zone would refuse them too', () => {
    expect(
      isHopeless(launch(1, 'a', 'You have requested more vCPU capacity than your current vCPU limit of 32 allows')),
    ).toBe(true)
    expect(isHopeless(launch(1, 'a', "The image id '[ami-1]' does not exist"))).toBe(true)
    expect(isHopeless(launch(1, 'a', "There are not enough free addresses in subnet 'subnet-1'"))).toBe(false)
    const unsupported =
      'Your requested instance type (m7i.large) is not supported in your requested Availability Zone (a).'
    expect(isHopeless(launch(1, 'a', unsupported))).toBe(false)
  })

  test('have failed after three minutes without progress, whatever zones were tried', async () => {
    const clock = new ManualClock()
    const failed = new FailedLaunches(seededRandom(1), clock)
    failed.mark([])
    const history: Activity[] = []
    const look = (desired: number, ...news: readonly Activity[]): number => {
      history.unshift(...news)
      failed.update(group(desired), { activities: history, isWhole: true })
      return failed.ids.length
    }
    expect(look(2, launch(1000, 'a', noRoom))).toBe(0)
    await clock.advance(170_000)
    // One of them is launched: that is progress.
    expect(look(2, launch(171_000, 'a'), launch(171_000, 'a', noRoom))).toBe(0)
    await clock.advance(170_000)
    expect(look(2, launch(341_000, 'a', noRoom))).toBe(0)
    await clock.advance(10_000)
    expect(look(2)).toBe(1)
    // Of a history that cannot be read to its end nobody knows how much is under way.
    failed.update(group(9), { activities: history, isWhole: false })
    expect(failed.ids).toHaveLength(1)
  })
})
