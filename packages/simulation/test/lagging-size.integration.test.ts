// Loaded now: simulated time goes on without calls that wait for something else than the cloud.
import '@aws-sdk/client-auto-scaling'
import '@aws-sdk/client-ec2'
import '@azure/arm-compute'
import '@azure/identity'
import { awsRateLimits, azureRateLimits, FakeAws, FakeAzure } from '@runner-core/cloud-fakes'
import { privateFile } from '@runner-core/cloud-fakes/internals'
import { type Clock, type InstanceGroup, silentLogger } from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { type CloudControls, seededRandom } from '@runner-core/fleeting/testing'
import { createInstanceGroup as createAwsGroup } from '@runner-core/fleeting-plugin-aws'
import { createInstanceGroup as createAzureGroup } from '@runner-core/fleeting-plugin-azure'
import type { Acquisition } from '@runner-core/taskscaler'
import { startScaler } from '@runner-core/testkit/clouds/stepped-scaler'
import { SteppedTime } from '@runner-core/testkit/clouds/stepped-time'
import { expect, test } from 'vitest'

const lags = { appearMs: 1000, bootMs: 8000, deleteMs: 5000 }
/** The size is as old as this wherever it is read. */
const capacityLagMs = 120_000

interface Cloud {
  readonly controls: CloudControls
  readonly group: InstanceGroup
  /** What the cloud tries to have, whatever it shows. */
  readonly size: () => number
}

type StartCloud = (clock: Clock, cleanUp: AsyncDisposableStack) => Promise<Cloud>

const random = seededRandom(1)

function azure(
  mode: 'Uniform' | 'Flexible',
  late: { readonly capacityLagMs?: number; readonly listLagMs?: number } = { capacityLagMs },
): StartCloud {
  return async (clock, cleanUp) => {
    const options = { clock, lags, mode, rateLimits: azureRateLimits, ...late, pageSize: 3 }
    const fake = cleanUp.use(await FakeAzure.start(options))
    Object.assign(process.env, fake.env)
    const config = {
      ...fake.config,
      ca_file: privateFile((act) => cleanUp.defer(act as () => void), 'ca.pem', fake.certificate),
    }
    const group = createAzureGroup(config, { fleet: 'lagging', connector: {}, logger: silentLogger, clock, random })
    return { controls: fake.controls, group, size: () => fake.capacity }
  }
}

function aws(launchMode: string): StartCloud {
  return async (clock, cleanUp) => {
    const options = { clock, lags, maxSize: 50, rateLimits: awsRateLimits, capacityLagMs }
    const fake = cleanUp.use(await FakeAws.start(options))
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'fake' })
    const connector = { privateKey: (await newKeyPair()).privateKey, useStaticCredentials: true }
    const config = { name: 'runners', region: 'eu-west-1', endpoint: fake.url, launch_mode: launchMode }
    const group = createAwsGroup(config, { fleet: 'lagging', connector, logger: silentLogger, clock, random })
    return { controls: fake.controls, group, size: () => fake.desiredCapacity }
  }
}

const clouds: readonly (readonly [string, StartCloud])[] = [
  ['Uniform Azure set', azure('Uniform')],
  ['Flexible Azure set', azure('Flexible')],
  ['AWS group that is raised', aws('set_desired_capacity')],
  ['AWS group that launches at once', aws('launch_instances')],
]
/** Idle for 10 s, then gone. */
const policies = [{ periods: ['* * * * *'], idleCount: 0, idleTimeMs: 10_000 }]

test.each(clouds)(
  'a fleet on a %s whose size lags behind has never more machines than it asked for',
  { timeout: 60_000 },
  async (_name, start) => {
    const time = new SteppedTime()
    const { clock } = time
    await using cleanUp = new AsyncDisposableStack()
    const cloud = await start(clock, cleanUp)
    const scaler = await startScaler(time, cloud, { policies })
    let most = 0
    let held: Acquisition[] = []
    const machines = (): number => cloud.controls.machines().length
    const passWithJobs = async (jobs: number, forMs: number): Promise<void> => {
      while (held.length > jobs) scaler.release(held.pop()!)
      for (let job = held.length; job < jobs; job += 1) {
        void scaler.acquire(scaler.reserve()).then((acquisition) => held.push(acquisition))
      }
      for (let passed = 0; passed < forMs; passed += 5000) {
        await time.pass(5000)
        most = Math.max(most, machines())
      }
    }
    await passWithJobs(10, 60_000)
    expect([held.length, cloud.size()]).toEqual([10, 10])
    await passWithJobs(2, 30_000)
    expect(cloud.size()).toBe(2)
    // The cloud still says ten.
    await passWithJobs(3, 60_000)
    expect([held.length, cloud.size(), machines()]).toEqual([3, 3, 3])
    await passWithJobs(1, 30_000)
    await passWithJobs(4, 60_000)
    // A second raise before the first one shows.
    await passWithJobs(6, 60_000)
    expect([held.length, cloud.size(), machines(), most]).toEqual([6, 6, 6, 10])
    held = []
    await time.until(scaler.shutdown({ removeInstances: false }))
  },
)

test.each(['Uniform', 'Flexible'] as const)(
  'a fleet on a %s Azure set whose list is later than a launch has the machines that it asked for',
  { timeout: 60_000 },
  async (mode) => {
    const time = new SteppedTime()
    const { clock } = time
    await using cleanUp = new AsyncDisposableStack()
    const cloud = await azure(mode, { listLagMs: 20_000 })(clock, cleanUp)
    const scaler = await startScaler(time, cloud, { policies })
    const held: Acquisition[] = []
    let most = 0
    for (let job = 0; job < 10; job += 1)
      void scaler.acquire(scaler.reserve()).then((acquisition) => held.push(acquisition))
    for (let passedMs = 0; passedMs < 90_000; passedMs += 5000) {
      await time.pass(5000)
      most = Math.max(most, cloud.controls.machines().length)
    }
    expect([held.length, cloud.size(), most]).toEqual([10, 10, 10])
    await time.until(scaler.shutdown({ removeInstances: false }))
  },
)
