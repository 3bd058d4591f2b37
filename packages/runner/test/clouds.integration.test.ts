// `runner-core run` on the clouds' fakes, with real machines behind them.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FakeAws, FakeAzure, FakeGce, RealMachines } from '@runner-core/cloud-fakes'
import { silentLogger, systemClock, systemRandom } from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { createInstanceGroup } from '@runner-core/fleeting-plugin-local'
import { expect, test } from 'vitest'
import { runFortyJobs } from './forty-jobs.ts'

const lags = { appearMs: 50, bootMs: 50, deleteMs: 50 }

/** Machines of the plugin `local` that let one key in, and answer on this port. */
async function localMachines(
  port: number,
  stack: AsyncDisposableStack,
): Promise<{ real: RealMachines; privateKey: string }> {
  const { privateKey } = await newKeyPair()
  const context = {
    fleet: 'behind-the-cloud',
    connector: { privateKey },
    logger: silentLogger,
    clock: systemClock,
    random: systemRandom,
  }
  const group = createInstanceGroup({}, context)
  await group.init(new AbortController().signal)
  stack.defer(() => group.shutdown())
  return { real: stack.use(new RealMachines({ group, clock: systemClock, port })), privateKey }
}

test('aws: 40 jobs, five a machine, and the group is empty in the end', async () => {
  await using stack = new AsyncDisposableStack()
  const port = 22_042
  const { real, privateKey } = await localMachines(port, stack)
  const sizes: number[] = []
  const fake = stack.use(
    await FakeAws.start({
      clock: systemClock,
      lags,
      real,
      onExchange: ({ operation, request }) => {
        if (operation === 'SetDesiredCapacity')
          sizes.push(Number(new URLSearchParams(request.body).get('DesiredCapacity')))
      },
    }),
  )
  // What gets lost on the way to and from a cloud.
  for (const on of ['increase', 'decrease'] as const) fake.controls.inject!({ kind: 'lost_answer', on, times: 1 })
  await runFortyJobs({
    plugin: 'aws',
    pluginConfig: () => `name = "runners"\nregion = "eu-west-1"`,
    connectorConfig: `username = "runner"\nprotocol_port = ${port}`,
    privateKey,
    env: () => ({ AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_ENDPOINT_URL: fake.url }),
  })
  expect(fake.controls.machines()).toEqual([])
  expect(fake.desiredCapacity).toBe(0)
  // Nothing but a removal by name lowers it: eight machines at least, and never is a size below one written.
  expect(Math.min(...sizes)).toBeGreaterThan(0)
})

test('gce: 40 jobs, five a machine, and the group is empty in the end', async () => {
  await using stack = new AsyncDisposableStack()
  const port = 22_040
  const { real, privateKey } = await localMachines(port, stack)
  const fake = stack.use(await FakeGce.start({ clock: systemClock, lags, real }))
  await runFortyJobs({
    plugin: 'gce',
    pluginConfig: (folder) => {
      writeFileSync(join(folder, 'credentials.json'), JSON.stringify(fake.credentials))
      return `name = "runners"
project = "fleet-project"
zone = "europe-west1-b"
endpoint = "${fake.url}"
credentials_file = "${join(folder, 'credentials.json')}"`
    },
    connectorConfig: `protocol_port = ${port}`,
    privateKey,
  })
  expect(fake.controls.machines()).toEqual([])
  expect(fake.targetSize).toBe(0)
  const writes = fake.controls.calls!().flatMap(({ operation }) =>
    /resize|patch|recreate/.test(operation) ? [operation] : [],
  )
  // The group's owner is written at the start, and taken away at the end.
  expect(writes).toEqual(['instanceGroupManagers.patch', 'instanceGroupManagers.patch'])
})

test('azure: 40 jobs, five a machine, and the group is empty in the end', async () => {
  await using stack = new AsyncDisposableStack()
  const port = 22_041
  const { real, privateKey } = await localMachines(port, stack)
  const fake = stack.use(await FakeAzure.start({ clock: systemClock, lags, real }))
  await runFortyJobs({
    plugin: 'azure',
    pluginConfig: (folder) => {
      writeFileSync(join(folder, 'ca.pem'), fake.certificate)
      const config = { ...fake.config, ca_file: join(folder, 'ca.pem') }
      return Object.entries(config)
        .map(([key, value]) => `${key} = "${value}"`)
        .join('\n')
    },
    connectorConfig: `username = "runner"\nprotocol_port = ${port}`,
    privateKey,
    env: () => fake.env,
  })
  expect(fake.controls.machines()).toEqual([])
})
