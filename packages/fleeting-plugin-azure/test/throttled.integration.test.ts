// Loaded now: simulated time goes on without calls that wait for something else than the cloud.
import '@azure/arm-compute'
import '@azure/identity'
import { azureRateLimits, FakeAzure } from '@runner-core/cloud-fakes'
import { privateFile } from '@runner-core/cloud-fakes/internals'
import { silentLogger } from '@runner-core/fleeting'
import { type CloudFault, seededRandom } from '@runner-core/fleeting/testing'
import { startScaler, waitsOf } from '@runner-core/testkit/clouds/stepped-scaler'
import { SteppedTime } from '@runner-core/testkit/clouds/stepped-time'
import { expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const lags = { appearMs: 1000, bootMs: 8000, deleteMs: 5000 }
/** Late sizes, short pages, and tags of the worst moment. */
const unkind = { capacityLagMs: 60_000, pageSize: 15, tagged: 'when shown' } as const
const jobs = 40

/** How long the last of forty jobs waits for its slot, on a Flexible set. */
async function longestWaitMs(faults: readonly CloudFault[]): Promise<number> {
  const time = new SteppedTime()
  const { clock } = time
  await using fake = await FakeAzure.start({ clock, lags, mode: 'Flexible', rateLimits: azureRateLimits, ...unkind })
  await using cleanUp = new AsyncDisposableStack()
  Object.assign(process.env, fake.env)
  const config = {
    ...fake.config,
    ca_file: privateFile((act) => cleanUp.defer(act as () => void), 'ca.pem', fake.certificate),
  }
  const context = { logger: silentLogger, clock, random: seededRandom(1) }
  const group = createInstanceGroup(config, { fleet: 'throttled', connector: {}, ...context })
  const scaler = await startScaler(time, { group, controls: fake.controls })
  for (const fault of faults) fake.controls.inject!(fault)
  const waits = await waitsOf(time, scaler, jobs, 150_000)
  expect(waits).toHaveLength(jobs)
  expect(fake.controls.machines()).toHaveLength(jobs)
  expect(fake.controls.calls!().filter(({ status }) => status === 429)).toHaveLength(faults.length)
  return Math.max(...waits)
}

const refusal = (on: CloudFault['on']): CloudFault => ({ kind: 'throttled', on, times: 1, retryAfterMs: 1000 })

test.each([
  [[refusal('increase'), refusal('increase')]],
  [[refusal('increase'), refusal('list')]],
  [[refusal('list'), refusal('list')]],
])(
  'two refusals that ask to wait for a second cost forty jobs little more than that: %j',
  { timeout: 60_000 },
  async (faults) => {
    const calmMs = await longestWaitMs([])
    const waitMs = await longestWaitMs(faults)
    expect(waitMs).toBeLessThanOrEqual(20_000)
    expect(waitMs - calmMs).toBeLessThanOrEqual(8000)
  },
)
