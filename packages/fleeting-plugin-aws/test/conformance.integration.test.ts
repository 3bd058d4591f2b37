import { FakeAws, RealMachines } from '@runner-core/cloud-fakes'
import { newKeyPair, silentLogger, systemClock, systemRandom } from '@runner-core/fleeting'
import { describeInstanceGroup } from '@runner-core/fleeting/testing/vitest'
import { createInstanceGroup as createLocalGroup } from '@runner-core/fleeting-plugin-local'
import { afterAll, beforeAll, describe } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

describe.each(['set_desired_capacity', 'launch_instances'])('%s', (launchMode) => {
  const clock = systemClock
  let fake: FakeAws
  let real: RealMachines
  let local: ReturnType<typeof createLocalGroup>
  let privateKey: string

  beforeAll(async () => {
    privateKey = (await newKeyPair()).privateKey
    const context = { fleet: 'machines', connector: { privateKey }, logger: silentLogger, clock, random: systemRandom }
    local = createLocalGroup({}, context)
    await local.init(AbortSignal.timeout(10_000))
    const port = 20_000 + Math.floor(systemRandom() * 10_000)
    real = new RealMachines({ group: local, clock, port })
    const lags = { appearMs: 10, bootMs: 20, deleteMs: 20 }
    fake = await FakeAws.start({ clock, lags, real, maxSize: 3, launchRetryMs: 5000 })
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
    protocolPort = port
  })
  let protocolPort = 0
  afterAll(async () => {
    await fake[Symbol.asyncDispose]()
    await real[Symbol.asyncDispose]()
    await local.shutdown()
  })

  const makeGroup = (): ReturnType<typeof createInstanceGroup> => {
    const connector = { privateKey, protocolPort, username: 'runner' }
    const context = { fleet: 'conformance', connector, logger: silentLogger, clock, random: systemRandom }
    return createInstanceGroup({ name: 'runners', region: 'eu-west-1', endpoint: fake.url, launch_mode: launchMode }, context)
  }
  describeInstanceGroup('plugin aws on its fake', makeGroup, {
    maxInstances: 3,
    patienceMs: 20_000,
    pollMs: 20,
    cloud: () => fake.hand,
  })
})
