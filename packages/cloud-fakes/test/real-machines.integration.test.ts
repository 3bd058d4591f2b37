import { delay, type InstanceGroup, silentLogger, systemClock, systemRandom } from '@runner-core/fleeting'
import { createSshConnector, newKeyPair } from '@runner-core/fleeting/ssh'
import { ManualClock, MemoryGroup } from '@runner-core/fleeting/testing'
import { createInstanceGroup as createAwsGroup } from '@runner-core/fleeting-plugin-aws'
import { createInstanceGroup as createDockerGroup } from '@runner-core/fleeting-plugin-docker'
import { dockerMissing } from '@runner-core/testkit/ssh/sshd-image'
import { afterAll, expect, test } from 'vitest'
import { FakeAws, RealMachines } from '../src/index.ts'

const image = 'runner-core-sshd'
const missing = await dockerMissing(image)
const { signal } = new AbortController()
const context = { fleet: `fakes-${process.pid}`, logger: silentLogger, clock: systemClock, random: systemRandom }
const left: (() => Promise<unknown>)[] = []
afterAll(() => Promise.all(left.map((end) => end())))

test.skipIf(missing !== undefined)(
  `each instance of a fake can be a container${missing === undefined ? '' : ` (SKIPPED: ${missing})`}`,
  async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'fake' })
    const { privateKey } = await newKeyPair()
    const connector = { username: 'runner', privateKey, protocolPort: 23_022 }
    const containers = createDockerGroup({ image }, { ...context, connector: { privateKey } })
    await containers.init(signal)
    left.push(() => containers.shutdown())
    const real = new RealMachines({ group: containers, clock: systemClock, port: connector.protocolPort })
    await using fake = await FakeAws.start({ clock: systemClock, real })
    const group = createAwsGroup(
      { name: 'runners', region: 'eu-west-1', endpoint: fake.url },
      { ...context, connector },
    )
    await group.init(signal)
    await group.increase({ count: 1, launchToken: 'a' }, signal)
    const id = await running(group)
    const connection = await createSshConnector({ connector }).connect(await group.connectInfo(id, signal), signal)
    let said = ''
    const execution = await connection.exec('cat /proc/1/comm', {
      stdout: (chunk) => {
        said += chunk
      },
    })
    await execution.closed
    await connection.close()
    expect(said).toBe('sshd\n')

    await group.shutdown()
    await real[Symbol.asyncDispose]()
    expect(await containers.list(signal)).toEqual([])
  },
)

test('machines still under way when it all ends are removed too', async () => {
  const machines = new MemoryGroup({ clock: systemClock, bootDelayMs: 3_600_000 })
  const real = new RealMachines({ group: machines, clock: systemClock, port: 23_023 })
  const starting = Promise.allSettled(['i-1', 'i-2'].map((id) => real.start(id, real.newAddress())))
  await real[Symbol.asyncDispose]()
  expect((await starting).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect((await machines.list(signal)).filter(({ state }) => state !== 'deleting' && state !== 'deleted')).toEqual([])
})

test('a machine that does not become ready is given up and removed, with the reason', async () => {
  const clock = new ManualClock()
  const machines = new MemoryGroup({ clock, bootDelayMs: 3_600_000 })
  await using real = new RealMachines({ group: machines, clock, port: 23_024, bootTimeoutMs: 5000 })
  const starting = Promise.allSettled([real.start('i-1', real.newAddress())])
  await clock.advance(5000)
  expect(await starting).toMatchObject([
    {
      status: 'rejected',
      reason: { message: 'the real machine m-1 was not ready within 5000 ms', cause: { code: 'not_ready' } },
    },
  ])
  expect(machines.stateOf('m-1')).not.toBe('creating')
  expect(clock.pendingTimers).toBe(0)
})

async function running(group: InstanceGroup): Promise<string> {
  for (;;) {
    const [row] = await group.list(signal)
    if (row?.state === 'running') return row.id
    if (row?.state === 'failed') throw new Error(row.detail)
    await delay(systemClock, 20, signal)
  }
}
