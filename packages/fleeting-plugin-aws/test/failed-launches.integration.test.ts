// What a group makes of launches that fail, one zone after the other, while others are under way.

import { FakeAws, type FakeAwsOptions } from '@runner-core/cloud-fakes'
import { systemRandom as random, silentLogger } from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const { signal } = new AbortController()
const clock = new ManualClock()
let cleanUp: AsyncDisposableStack
beforeEach(() => {
  cleanUp = new AsyncDisposableStack()
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
})
afterEach(() => cleanUp.disposeAsync())

async function start(options: Partial<FakeAwsOptions>) {
  const fake = cleanUp.use(await FakeAws.start({ clock, maxSize: 1000, ...options }))
  const { privateKey } = await newKeyPair()
  const context = {
    fleet: 'test',
    connector: { privateKey, useStaticCredentials: true },
    logger: silentLogger,
    clock,
    random,
  }
  const group = createInstanceGroup({ name: 'runners', region: 'eu-west-1', endpoint: fake.url }, context)
  cleanUp.defer(() => group.shutdown())
  await group.init(signal)
  const failed = async () => (await group.list(signal)).filter(({ state }) => state === 'failed').map(({ id }) => id)
  return { fake, group, failed }
}

test.each([
  ['', {}],
  [', though the list is late and each page short', { listLagMs: 5000, activitiesPageSize: 10, pageSize: 20 }],
])(
  'of 250 launches under way and one that fails, one has failed, and its capacity alone is given back%s',
  async (_day, unkind) => {
    const { fake, group, failed } = await start({
      lags: { appearMs: 60_000, bootMs: 60_000 },
      launchRetryMs: 600_000,
      ...unkind,
    })
    await group.increase({ count: 250, launchToken: 'many' }, signal)
    await group.list(signal)
    await clock.advance(1000)
    fake.controls.inject!({ kind: 'capacity', on: 'increase' })
    await group.increase({ count: 1, launchToken: 'one' }, signal)
    await failed()
    await clock.advance(20_000)
    const ids = await failed()
    expect(ids).toHaveLength(1)
    expect(await group.decrease(ids, signal)).toEqual({ accepted: ids, errors: [] })
    expect(fake.desiredCapacity).toBe(250)
    expect(fake.controls.machines()).toHaveLength(250)
  },
)
