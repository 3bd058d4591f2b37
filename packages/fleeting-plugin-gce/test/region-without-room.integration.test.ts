// Loaded now: simulated time goes on without calls that wait for something else than the cloud.
import '../src/regional-group.ts'
import '../src/sdk.ts'
import { gceRateLimits } from '@runner-core/cloud-fakes'
import { startScaler, waitsOf } from '@runner-core/testkit/clouds/stepped-scaler'
import { SteppedTime } from '@runner-core/testkit/clouds/stepped-time'
import { expect, test } from 'vitest'
import { startFakeCloud } from './fake-cloud.ts'

const lags = { appearMs: 2000, bootMs: 40_000, deleteMs: 10_000 }
const jobs = 10

test.each([
  ['one full zone', ['europe-west1-b'], 2 * (lags.appearMs + lags.bootMs) + 15_000],
  ['two full zones', ['europe-west1-b', 'europe-west1-c'], 3 * (lags.appearMs + lags.bootMs) + 30_000],
])(
  'a regional Compute Engine group with %s launches where there is room, undisturbed',
  { timeout: 60_000 },
  async (_name, fullZones, leftAloneMs) => {
    const time = new SteppedTime()
    const { clock } = time
    await using cloud = await startFakeCloud({
      clock,
      lags,
      region: 'europe-west1',
      rateLimits: gceRateLimits,
      listLagMs: 3000,
    })
    Object.assign(cloud.fake.settings, { fullZones })
    const scaler = await startScaler(time, { group: cloud.makeGroup({}, { clock }), controls: cloud.fake.controls })
    const waits = await waitsOf(time, scaler, jobs, 300_000)
    const launches = cloud.fake.controls.calls!().filter(({ operation }) =>
      operation.endsWith('createInstances'),
    ).length
    expect({ launches, machines: cloud.fake.controls.machines().length, size: cloud.fake.targetSize }).toEqual({
      launches: 1,
      machines: jobs,
      size: jobs,
    })
    expect(waits).toHaveLength(jobs)
    expect(Math.max(...waits)).toBeLessThan(leftAloneMs + 15_000)
  },
)
