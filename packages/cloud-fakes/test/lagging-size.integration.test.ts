import { Provisioner, silentLogger, withCallBudget } from '@runner-core/fleeting'
import { seededRandom } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { createInstanceGroup } from '../../fleeting-plugin-azure/src/index.ts'
import { type Acquisition, Taskscaler } from '../../taskscaler/src/index.ts'
import { connection } from '../bench/connection.ts'
import { SteppedTime } from '../bench/stepped-time.ts'
import { privateFile } from '../src/conformance/private-file.ts'
import { azureRateLimits, FakeAzure } from '../src/index.ts'

const never = new AbortController().signal

test.each(['Uniform', 'Flexible'] as const)(
  'a fleet on a %s set whose size lags behind deletes has never more machines than it asked for',
  { timeout: 60_000 },
  async (mode) => {
    const time = new SteppedTime()
    const { clock } = time
    const lags = { appearMs: 1000, bootMs: 8000, deleteMs: 5000 }
    await using fake = await FakeAzure.start({ clock, lags, mode, rateLimits: azureRateLimits, capacityLagMs: 120_000, pageSize: 3 })
    await using cleanUp = new AsyncDisposableStack()
    Object.assign(process.env, fake.env)
    const config = { ...fake.config, ca_file: privateFile((act) => cleanUp.defer(act as () => void), 'ca.pem', fake.certificate) }
    const context = { logger: silentLogger, clock, random: seededRandom(1) }
    const plugin = createInstanceGroup(config, { fleet: 'lagging', connector: {}, ...context })
    const group = withCallBudget(time.watch(plugin, fake.hand), context)
    const connector = { connect: async () => connection }
    const provisioner = await time.until(Provisioner.start({ group, connector, maxInstances: 50, ...context }, never))
    // Idle for 10 s, then gone.
    const policies = [{ periods: ['* * * * *'], idleCount: 0, idleTimeMs: 10_000 }]
    const scaler = await time.until(Taskscaler.start({ provisioner, policies, onDispose: 'keep-instances', clock }, never))
    let most = 0
    let held: Acquisition[] = []
    const passWithJobs = async (jobs: number, forMs: number): Promise<void> => {
      while (held.length > jobs) scaler.release(held.pop()!)
      for (let job = held.length; job < jobs; job += 1) {
        void scaler.acquire(scaler.reserve()).then((acquisition) => held.push(acquisition))
      }
      for (let passed = 0; passed < forMs; passed += 5000) {
        await time.pass(5000)
        most = Math.max(most, fake.hand.machines().length)
      }
    }
    await passWithJobs(10, 60_000)
    expect([held.length, fake.capacity]).toEqual([10, 10])
    await passWithJobs(2, 30_000)
    expect(fake.capacity).toBe(2)
    // The set still says ten.
    await passWithJobs(3, 60_000)
    expect([held.length, fake.capacity, fake.hand.machines().length]).toEqual([3, 3, 3])
    await passWithJobs(1, 30_000)
    await passWithJobs(4, 60_000)
    expect([held.length, fake.capacity, fake.hand.machines().length, most]).toEqual([4, 4, 4, 10])
    held = []
    await time.until(scaler.shutdown({ removeInstances: false }))
  },
)
