import { Provisioner, silentLogger, withCallBudget } from '@runner-core/fleeting'
import { seededRandom } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { startFakeCloud } from '../../fleeting-plugin-gce/test/fake-cloud.ts'
import { Taskscaler } from '../../taskscaler/src/index.ts'
import { connection } from '../bench/connection.ts'
import { SteppedTime } from '../bench/stepped-time.ts'
import { gceRateLimits } from '../src/index.ts'

const lags = { appearMs: 2000, bootMs: 40_000, deleteMs: 10_000 }
const jobs = 10
const never = new AbortController().signal

test.each([
  ['one full zone', ['europe-west1-b'], 2 * (lags.appearMs + lags.bootMs) + 15_000],
  ['two full zones', ['europe-west1-b', 'europe-west1-c'], 3 * (lags.appearMs + lags.bootMs) + 30_000],
])(
  'a regional Compute Engine group with %s launches where there is room, undisturbed',
  { timeout: 60_000 },
  async (_name, fullZones, leftAloneMs) => {
    const time = new SteppedTime()
    const { clock } = time
    await using cloud = await startFakeCloud({ clock, lags, region: 'europe-west1', rateLimits: gceRateLimits, listLagMs: 3000 })
    Object.assign(cloud.fake.settings, { fullZones })
    const context = { logger: silentLogger, clock, random: seededRandom(1) }
    const group = withCallBudget(time.watch(cloud.makeGroup({}, { clock }), cloud.fake.hand), context)
    const connector = { connect: async () => connection }
    const provisioner = await time.until(Provisioner.start({ group, connector, maxInstances: 50, ...context }, never))
    const scaler = await time.until(Taskscaler.start({ provisioner, onDispose: 'keep-instances', clock }, never))
    const waits: number[] = []
    for (let job = 0; job < jobs; job += 1) {
      const askedAt = clock.now()
      void scaler
        .acquire(scaler.reserve())
        .then((acquisition) => acquisition.connect())
        .then(() => waits.push(clock.now() - askedAt))
        .catch(() => {})
    }
    await time.pass(300_000)
    await time.until(scaler.shutdown({ removeInstances: false }))
    const launches = cloud.fake.hand.calls!().filter(({ operation }) => operation.endsWith('createInstances')).length
    expect({ launches, machines: cloud.fake.hand.machines().length, size: cloud.fake.targetSize }).toEqual({
      launches: 1,
      machines: jobs,
      size: jobs,
    })
    expect(waits).toHaveLength(jobs)
    expect(Math.max(...waits)).toBeLessThan(leftAloneMs + 15_000)
  },
)
