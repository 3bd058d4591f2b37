import { SkippingClock } from '@runner-core/fleeting/testing'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { afterAll, beforeAll, describe } from 'vitest'
import { type FakeFleet, startFakeFleet } from './fake-fleet.ts'

describe.each(['set_desired_capacity', 'launch_instances'])('launch_mode %s', (launchMode) => {
  const clock = new SkippingClock()
  let fleet: FakeFleet
  beforeAll(async () => {
    fleet = await startFakeFleet({ clock })
    const { zones } = fleet.fake.settings
    // A lost answer of `LaunchInstances` in a full zone would be a lost refusal: the suite could not tell it from a
    // launch that is lost.
    Object.assign(fleet.fake.settings, { fullZones: launchMode === 'set_desired_capacity' ? zones.slice(0, 1) : [] })
  })
  afterAll(() => fleet[Symbol.asyncDispose]())

  const options = {
    maxInstances: 3,
    patienceMs: 20_000,
    pollMs: 20,
    clock,
    cloud: () => ({ ...fleet.fake.controls, passTime: (ms: number) => clock.skip(ms) }),
  }
  describeInstanceGroup('plugin aws on its fake', () => fleet.makeGroup({ launch_mode: launchMode }), options)
})
