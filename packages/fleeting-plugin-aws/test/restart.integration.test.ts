// What a manager that was killed has left under way, as the next one finds it.

// Loaded now: simulated time goes on without calls that wait for something else than the cloud.
import '@aws-sdk/client-auto-scaling'
import '@aws-sdk/client-ec2'
import { FakeAws, type FakeAwsOptions } from '@runner-core/cloud-fakes'
import { type InstanceGroup, systemRandom as random, silentLogger } from '@runner-core/fleeting'
import type { Provisioner } from '@runner-core/fleeting/provisioner'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { Managers } from '@runner-core/testkit/clouds/managers'
import type { SteppedTime } from '@runner-core/testkit/clouds/stepped-time'
import { expectOneOwner } from '@runner-core/testkit/clouds/two-managers'
import { describe, expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const lags = { appearMs: 1000, bootMs: 20_000, deleteMs: 5000 }
const { privateKey } = await newKeyPair()

async function start(config: Readonly<Record<string, unknown>>, options: Partial<FakeAwsOptions> = {}) {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
  const managers = new Managers()
  const { time } = managers
  const fake = await FakeAws.start({ clock: time.clock, lags, ...options })
  const group = (clock: typeof time.clock): InstanceGroup => {
    const context = {
      fleet: 'test',
      connector: { privateKey, useStaticCredentials: true },
      logger: silentLogger,
      clock,
      random,
    }
    return createInstanceGroup({ name: 'runners', region: 'eu-west-1', endpoint: fake.url, ...config }, context)
  }
  const cloud = { fake, group: () => group(time.clock) }
  return {
    fake,
    controls: fake.controls,
    time,
    startManager: () => managers.start(cloud),
    oneOwner: () => expectOneOwner(managers, cloud),
    [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose](),
  }
}

/** Passes time until the answer of a launch is lost. */
async function lost(manager: Provisioner, time: SteppedTime): Promise<void> {
  while (!manager.launchState().outstanding.some(({ phase }) => phase === 'uncertain')) await time.pass(250)
}

describe.each(['set_desired_capacity', 'launch_instances'])('a manager with %s that is killed', (launch_mode) => {
  test('after a launch whose answer it never got leaves it to the next, which takes its instances by their tags and removes those that somebody else asked for', async () => {
    await using world = await start({ launch_mode })
    const { controls, time } = world
    const first = await world.startManager()
    first.request(1, { reason: 'test' })
    await time.pass(40_000)
    const [old] = controls.machines()

    // The stranger's is the older one: by number it would be taken first.
    const before = await controls.addForeign!()
    await time.pass(lags.appearMs)
    controls.inject!({ kind: 'lost_answer', on: 'increase' })
    first.request(2, { reason: 'test' })
    await lost(first, time)
    const ours = controls.machines().filter((id) => id !== old && id !== before)
    expect(ours).toHaveLength(2)
    controls.heal!()
    // This one takes over the tags of our launch, which has all that it asked for.
    await controls.addForeign!()

    const next = await world.startManager()
    await time.pass(40_000)
    expect(next.launchState().outstanding).toEqual([])
    expect(Object.fromEntries([...next.instances().values()].map(({ id, cause }) => [id, cause]))).toEqual(
      Object.fromEntries([old!, ...ours].map((id) => [id, 'requested'])),
    )
    expect(new Set(controls.machines())).toEqual(new Set([old, ...ours]))
    expect(world.fake.desiredCapacity).toBe(3)
    await time.until(next.shutdown({ removeInstances: false }))
  })

  test('before its request arrived leaves no launch: what somebody else had asked for is not taken for it', async () => {
    await using world = await start({ launch_mode })
    const { controls, time } = world
    const first = await world.startManager()
    first.request(1, { reason: 'test' })
    await time.pass(40_000)
    const kept = controls.machines()
    await controls.resize!(2)
    controls.inject!({ kind: 'reset', on: 'increase' })
    first.request(2, { reason: 'test' })
    await lost(first, time)
    controls.heal!()

    const next = await world.startManager()
    await time.pass(40_000)
    expect(controls.machines()).toEqual(kept)
    expect(next.launchState().outstanding).toEqual([])
    await time.until(next.shutdown({ removeInstances: false }))
  })

  test('is followed by one that may not tag the group, and takes what was launched by number', async () => {
    await using world = await start({ launch_mode })
    const { controls, time } = world
    const first = await world.startManager()
    controls.inject!({ kind: 'lost_answer', on: 'increase' })
    first.request(2, { reason: 'test' })
    await lost(first, time)
    controls.heal!()
    world.fake.settings.mayBeTagged = false
    const next = await world.startManager()
    await time.pass(40_000)
    next.request(1, { reason: 'test' })
    await time.pass(40_000)
    expect([...next.instances().values()].map(({ cause }) => cause)).toEqual(['requested', 'requested', 'requested'])
    expect(controls.machines()).toHaveLength(3)
    await time.until(next.shutdown({ removeInstances: false }))
  })
})

test('a manager that may not tag the group any more goes on, and knows its instances', async () => {
  await using world = await start({})
  const { controls, time, fake } = world
  const manager = await world.startManager()
  manager.request(1, { reason: 'test' })
  await time.pass(40_000)
  fake.settings.mayBeTagged = false
  manager.request(2, { reason: 'test' })
  await time.pass(40_000)
  manager.request(1, { reason: 'test' })
  await time.pass(40_000)
  expect([...manager.instances().values()].map(({ cause }) => cause)).toEqual(
    Array.from({ length: 4 }, () => 'requested'),
  )
  expect(controls.machines()).toHaveLength(4)
  await time.until(manager.shutdown({ removeInstances: false }))
})

test('instances that EC2 shows later than the group are taken once they tell their launch', async () => {
  await using world = await start({}, { facts: { readLagMs: 5000 } })
  const { controls, time } = world
  const manager = await world.startManager()
  for (const count of [1, 2]) {
    manager.request(count, { reason: 'test' })
    await time.pass(40_000)
  }
  expect([...manager.instances().values()].map(({ cause }) => cause)).toEqual(['requested', 'requested', 'requested'])
  expect(controls.machines()).toHaveLength(3)
  await time.until(manager.shutdown({ removeInstances: false }))
})

test('a launch that fails, and one that is launched after all, are of the launch that asked for them', async () => {
  await using world = await start({}, { launchRetryMs: 15_000 })
  const { controls, time } = world
  const manager = await world.startManager()
  manager.request(1, { reason: 'test' })
  await time.pass(40_000)
  controls.inject!({ kind: 'capacity', on: 'increase', times: 1 })
  manager.request(2, { reason: 'test' })
  await time.pass(60_000)
  expect(manager.launchState().outstanding).toEqual([])
  expect([...manager.instances().values()].every(({ cause }) => cause === 'requested')).toBe(true)
  expect(controls.machines()).toHaveLength(manager.instances().size)
  expect(world.fake.desiredCapacity).toBe(manager.instances().size)
  await time.until(manager.shutdown({ removeInstances: false }))
})

test('a group belongs to the manager whose owner stands in its tags', async () => {
  await using world = await start({})
  await world.oneOwner()
})
