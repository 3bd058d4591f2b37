// Loaded now: simulated time goes on without calls that wait for something else than the cloud.
import '../src/sdk.ts'
import '../src/zonal-group.ts'
import { silentLogger } from '@runner-core/fleeting'
import { MultiGroup } from '@runner-core/fleeting/multi'
import { Provisioner, withCallBudget } from '@runner-core/fleeting/provisioner'
import { seededRandom } from '@runner-core/fleeting/testing'
import { Taskscaler } from '@runner-core/taskscaler'
import { type CloudName, startCloud } from '@runner-core/testkit/clouds/cloud-under-bench'
import { connection } from '@runner-core/testkit/clouds/connection'
import { SteppedTime } from '@runner-core/testkit/clouds/stepped-time'
import { expect, it } from 'vitest'

const lags = { appearMs: 1000, bootMs: 40_000, deleteMs: 10_000 }
/** From asked for to ready: the cloud's lags, and the polls that notice. */
const launchMs = 41_000 + 6000
const never = new AbortController().signal
const pairs: readonly (readonly [CloudName, CloudName])[] = [
  ['gce', 'gce'],
  ['aws', 'gce'],
  ['gce', 'aws'],
  ['azure', 'gce'],
]

it.each(pairs)(
  'with no capacity left in %s, jobs run in %s, at most one launch time later',
  { timeout: 60_000 },
  async (first, second) => {
    const time = new SteppedTime()
    const { clock } = time
    await using here = await startCloud[first]({ clock, maxSize: 50, lags })
    await using there = await startCloud[second]({ clock, maxSize: 50, lags })
    const context = { logger: silentLogger, clock, random: seededRandom(1) }
    const members = Object.entries({ here, there }).map(
      ([name, { env, controls, createInstanceGroup, pluginConfig }]) => {
        Object.assign(process.env, env)
        const make = () => createInstanceGroup(pluginConfig, { fleet: 'stock-out', connector: {}, ...context })
        return { name, create: () => withCallBudget(time.watch(make(), controls), context) }
      },
    )
    const group = new MultiGroup({ id: 'multi/stock-out', members, ...context })
    const connector = { connect: async () => connection }
    const provisioner = await time.until(Provisioner.start({ group, connector, maxInstances: 60, ...context }, never))
    const scaler = await time.until(Taskscaler.start({ provisioner, onDispose: 'keep-instances', clock }, never))

    const waits: number[] = []
    const run = async (): Promise<void> => {
      const askedAt = clock.now()
      const acquisition = await scaler.acquire(scaler.reserve())
      await acquisition.connect()
      waits.push(clock.now() - askedAt)
    }
    here.controls.inject?.({ kind: 'capacity', on: 'increase' })
    for (let job = 0; job < 20; job += 1) void run()
    await time.pass(2 * launchMs)
    expect(waits).toHaveLength(20)
    expect(Math.max(...waits)).toBeLessThanOrEqual(2 * launchMs)

    // Those that come later do not pay for it again.
    waits.length = 0
    for (let job = 0; job < 10; job += 1) void run()
    await time.pass(launchMs)
    expect(waits).toHaveLength(10)
    expect(here.controls.machines()).toEqual([])
    expect(there.controls.machines()).toHaveLength(30)

    const ending = scaler.shutdown({ removeInstances: false })
    await time.until(ending)
  },
)
