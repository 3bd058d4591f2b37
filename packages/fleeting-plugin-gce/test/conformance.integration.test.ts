import { systemClock, systemRandom } from '@runner-core/fleeting'
import { createSshConnector } from '@runner-core/fleeting/ssh'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { afterAll, beforeAll, describe } from 'vitest'
import { type FakeCloud, startFakeCloud } from './fake-cloud.ts'

/** One that nothing else listens on, on addresses that only this test uses. */
const port = 22_022
const lags = { appearMs: 20, staggerMs: 60, bootMs: 40, deleteMs: 20 }
/** What Compute Engine may do at any time. */
const unkind = { listLagMs: 100, pageSize: 1, zoneRetryMs: 200, fingerprintLagMs: 400 }

describe.each([
  ['in a zone', {}],
  ['in a region', { region: 'europe-west1' }],
])('GCE %s', (_where, options) => {
  let cloud: FakeCloud
  beforeAll(async () => {
    cloud = await startFakeCloud({ lags, port, ...unkind, ...options })
    if ('region' in options) Object.assign(cloud.fake.settings, { fullZones: ['europe-west1-b'] })
  })
  afterAll(() => cloud[Symbol.asyncDispose]())

  const connector = createSshConnector({ connector: { protocolPort: port }, clock: systemClock, random: systemRandom })
  describeInstanceGroup('GCE on its fake', () => cloud.makeGroup({ max_size: 3 }), {
    maxInstances: 3,
    patienceMs: 20_000,
    pollMs: 20,
    connect: (info, signal) => connector.connect(info, signal),
    cloud: () => cloud.fake.controls,
  })
})
