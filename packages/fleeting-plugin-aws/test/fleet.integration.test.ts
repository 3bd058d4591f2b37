// What the conformance suite cannot ask of every cloud: batches, pages, tokens and spot instances. On the fake, without machines behind it.

import { systemClock as clock, type InstanceGroup, newKeyPair, systemRandom as random, silentLogger } from '@runner-core/fleeting'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Exchange, FakeAws, type FakeAwsOptions } from '../../cloud-fakes/src/index.ts'
import { createInstanceGroup } from '../src/index.ts'

const { signal } = new AbortController()
let cleanUp: AsyncDisposableStack
let exchanges: Exchange[]
beforeEach(() => {
  cleanUp = new AsyncDisposableStack()
  exchanges = []
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
})
afterEach(() => cleanUp.disposeAsync())

async function start(
  options: Partial<FakeAwsOptions>,
  config: Readonly<Record<string, unknown>> = {},
): Promise<{ fake: FakeAws; group: InstanceGroup; running: () => Promise<string[]> }> {
  const fake = cleanUp.use(await FakeAws.start({ clock, onExchange: (exchange) => exchanges.push(exchange), ...options }))
  const { privateKey } = await newKeyPair()
  const context = { fleet: 'test', connector: { privateKey, useStaticCredentials: true }, logger: silentLogger, clock, random }
  const group = createInstanceGroup({ name: 'runners', region: 'eu-west-1', endpoint: fake.url, ...config }, context)
  cleanUp.defer(() => group.shutdown())
  await group.init(signal)
  const running = async () => (await group.list(signal)).flatMap(({ id, state }) => (state === 'running' ? [id] : []))
  return { fake, group, running }
}

const forms = (operation: string): readonly URLSearchParams[] =>
  exchanges.filter((exchange) => exchange.operation === operation).map(({ request }) => new URLSearchParams(request.body))
const values = (form: URLSearchParams, list: string): readonly string[] =>
  [...form].flatMap(([key, value]) => (key.startsWith(`${list}.`) ? [value] : []))

test('a thousand machines are asked for in one call, and removed by name in ten', async () => {
  const { fake, group, running } = await start({ maxSize: 1000 })
  expect(await group.increase({ count: 1000, launchToken: 'one' }, signal)).toEqual({ requested: 1000 })
  expect(forms('SetDesiredCapacity').map((form) => form.get('DesiredCapacity'))).toEqual(['1000'])
  const ids = await running()
  expect(ids).toHaveLength(1000)
  expect((await group.decrease(ids, signal)).accepted).toEqual(ids)
  const batches = forms('TerminateInstanceInAutoScalingGroup').map((form) => values(form, 'InstanceIds.member'))
  expect(batches.map(({ length }) => length)).toEqual(Array.from({ length: 10 }, () => 100))
  expect(batches.flat()).toEqual(ids)
  expect(fake.desiredCapacity).toBe(0)
  expect(fake.hand.machines()).toEqual([])
})

test('machines that are all asked for at once share calls, of at most 200, with filters and pages', async () => {
  const { group, running } = await start({ maxSize: 500, pageSize: 30 })
  await group.increase({ count: 500, launchToken: 'one' }, signal)
  const ids = await running()
  const infos = await Promise.all(ids.map((id) => group.connectInfo(id, signal)))
  expect(infos.map(({ instanceId }) => instanceId)).toEqual(ids)
  expect(new Set(infos.map(({ internalAddress }) => internalAddress)).size).toBe(500)
  const calls = forms('DescribeInstances')
  const first = calls.filter((form) => !form.has('NextToken'))
  expect(first.length).toBeLessThanOrEqual(4)
  expect(calls.length).toBeGreaterThan(first.length)
  for (const form of calls) {
    expect(form.get('Filter.1.Name')).toBe('tag:aws:autoscaling:groupName')
    expect(form.get('MaxResults')).toBe('1000')
    expect(values(form, 'Filter.2.Value').length).toBeLessThanOrEqual(200)
    expect(form.has('InstanceId.1')).toBe(false)
  }
})

test('machines that are asked for one after the other cost one call for 200 too, since the first asks for all that run', async () => {
  const { group, running } = await start({ maxSize: 300 })
  await group.increase({ count: 300, launchToken: 'one' }, signal)
  const ids = await running()
  for (const id of ids) expect(await group.connectInfo(id, signal)).toMatchObject({ instanceId: id })
  const asked = forms('DescribeInstances').map((form) => values(form, 'Filter.2.Value'))
  expect(asked.map(({ length }) => length)).toEqual([200, 100])
  expect(asked.flat().toSorted()).toEqual(ids.toSorted())
})

test('launch_instances carries a token, the same when it is asked again after a lost answer: nothing is launched twice', async () => {
  const { fake, group, running } = await start({}, { launch_mode: 'launch_instances' })
  fake.hand.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
  const request = { count: 3, launchToken: 'token-of-this-launch' }
  await expect(group.increase(request, signal)).rejects.toMatchObject({ code: 'transient' })
  expect(fake.hand.machines()).toHaveLength(3)
  const again = await group.increase(request, signal)
  expect(again.requested).toBe(3)
  expect(again.ids!.toSorted()).toEqual([...fake.hand.machines()].toSorted())
  expect(await running()).toHaveLength(3)
  const tokens = forms('LaunchInstances').map((form) => form.get('ClientToken'))
  expect(new Set(tokens).size).toBe(1)
  expect(tokens[0]).toMatch(/^token-of-this-launch-1-[0-9a-f]{8}$/)
  expect(fake.desiredCapacity).toBe(3)
})

test('the token that AWS sees is of one group: those of one `multi` launch under the same one', async () => {
  for (const name of ['one', 'other']) {
    const { group } = await start({ groupName: name }, { name, launch_mode: 'launch_instances' })
    await group.increase({ count: 1, launchToken: 'shared' }, signal)
  }
  const tokens = forms('LaunchInstances').map((form) => form.get('ClientToken'))
  expect(new Set(tokens).size).toBe(2)
})

test('set_desired_capacity asked again under its token after a lost answer adds nothing', async () => {
  const { fake, group } = await start({})
  fake.hand.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
  const request = { count: 3, launchToken: 'one' }
  await expect(group.increase(request, signal)).rejects.toMatchObject({ code: 'transient' })
  expect(await group.increase(request, signal)).toEqual({ requested: 3 })
  expect(fake.desiredCapacity).toBe(3)
})

test('what is about to be taken back is told once, of our machines, with the time', async () => {
  const { fake, group, running } = await start({ facts: { spot: true } })
  const told: [id: string, at: number | undefined][] = []
  const stop = group.onInterruption!((id, at) => told.push([id, at]))
  await group.increase({ count: 3, launchToken: 'one' }, signal)
  const [first, second] = await running()
  await group.connectInfo(first!, signal)
  await group.list(signal)
  expect(told).toEqual([])
  const before = clock.wallTime()
  fake.interrupt(first!)
  await group.list(signal)
  await group.list(signal)
  expect(told).toEqual([[first, expect.any(Number)]])
  expect(told[0]![1]! - 120_000).toBeGreaterThanOrEqual(before)
  expect(told[0]![1]! - 120_000).toBeLessThanOrEqual(clock.wallTime())
  stop()
  fake.interrupt(second!)
  await group.list(signal)
  expect(told).toHaveLength(1)
})

test('a group without spot instances makes no call for them', async () => {
  const { group, running } = await start({})
  group.onInterruption!(() => {})
  await group.increase({ count: 1, launchToken: 'one' }, signal)
  const [id] = await running()
  await group.connectInfo(id!, signal)
  await group.list(signal)
  expect(forms('DescribeSpotInstanceRequests')).toEqual([])
})
