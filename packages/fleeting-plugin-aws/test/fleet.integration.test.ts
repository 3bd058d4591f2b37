// What the conformance suite cannot ask of every cloud: batches, pages, tokens and spot instances. On the fake, without
// machines behind it.

import { type Exchange, FakeAws, type FakeAwsOptions } from '@runner-core/cloud-fakes'
import {
  systemClock as clock,
  type Finding,
  type InstanceGroup,
  systemRandom as random,
  silentLogger,
} from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const { signal } = new AbortController()
let cleanUp: AsyncDisposableStack
let exchanges: Exchange[]
/** Of the last `init`. */
let findings: readonly Finding[]
beforeEach(() => {
  cleanUp = new AsyncDisposableStack()
  exchanges = []
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
})
afterEach(() => cleanUp.disposeAsync())

async function start(
  options: Partial<FakeAwsOptions>,
  config: Readonly<Record<string, unknown>> = {},
): Promise<{
  fake: FakeAws
  group: InstanceGroup
  running: () => Promise<string[]>
  nextProcess: () => Promise<InstanceGroup>
}> {
  const fake = cleanUp.use(
    await FakeAws.start({ clock, onExchange: (exchange) => exchanges.push(exchange), ...options }),
  )
  const { privateKey } = await newKeyPair()
  const context = {
    fleet: 'test',
    connector: { privateKey, useStaticCredentials: true },
    logger: silentLogger,
    clock,
    random,
  }
  const nextProcess = async (): Promise<InstanceGroup> => {
    const next = createInstanceGroup({ name: 'runners', region: 'eu-west-1', endpoint: fake.url, ...config }, context)
    cleanUp.defer(() => next.shutdown())
    findings = (await next.init(signal)).findings ?? []
    return next
  }
  const group = await nextProcess()
  const running = async () => (await group.list(signal)).flatMap(({ id, state }) => (state === 'running' ? [id] : []))
  return { fake, group, running, nextProcess }
}

const forms = (operation: string): readonly URLSearchParams[] =>
  exchanges
    .filter((exchange) => exchange.operation === operation)
    .map(({ request }) => new URLSearchParams(request.body))
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
  expect(fake.controls.machines()).toEqual([])
})

test('instances that were ended count as gone while the list still shows them in service', async () => {
  const cloudClock = new ManualClock()
  const { fake, group, running } = await start({ clock: cloudClock, listLagMs: 60_000 })
  await group.increase({ count: 3, launchToken: 'one' }, signal)
  await cloudClock.advance(60_000)
  const [first, second, third] = await running()
  expect(await group.decrease([first!], signal)).toMatchObject({ accepted: [first] })
  expect(await running()).toEqual([second, third])
  // Taken for one too many, it would make the group end the next one without lowering its size, and launch another.
  expect(await group.decrease([second!], signal)).toEqual({ accepted: [second], errors: [] })
  expect(await group.decrease([first!, second!], signal)).toEqual({ accepted: [first, second], errors: [] })
  expect(fake.desiredCapacity).toBe(1)
  expect(fake.controls.machines()).toEqual([third])
  expect(await group.increase({ count: 1, launchToken: 'two' }, signal)).toEqual({ requested: 1 })
  expect(fake.desiredCapacity).toBe(2)
  await cloudClock.advance(60_000)
  expect(await running()).toHaveLength(2)
})

test('an instance whose end was asked for without an answer makes no surplus while the list is late, and can be asked for again', async () => {
  const cloudClock = new ManualClock()
  const { fake, group, running } = await start({ clock: cloudClock, listLagMs: 60_000 })
  await group.increase({ count: 3, launchToken: 'one' }, signal)
  await cloudClock.advance(60_000)
  const [first, second, third] = await running()
  fake.controls.inject!({ kind: 'lost_answer', on: 'decrease', times: 1 })
  expect(await group.decrease([first!], signal)).toMatchObject({ accepted: [], errors: [{ code: 'transient' }] })
  expect(await group.decrease([second!], signal)).toEqual({ accepted: [second], errors: [] })
  expect(fake.desiredCapacity).toBe(1)
  expect(await group.decrease([first!], signal)).toEqual({ accepted: [first], errors: [] })
  expect(fake.desiredCapacity).toBe(1)
  expect(fake.controls.machines()).toEqual([third])
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
  fake.controls.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
  const request = { count: 3, launchToken: 'token-of-this-launch' }
  await expect(group.increase(request, signal)).rejects.toMatchObject({ code: 'transient' })
  expect(fake.controls.machines()).toHaveLength(3)
  const again = await group.increase(request, signal)
  expect(again.requested).toBe(3)
  expect(again.ids!.toSorted()).toEqual([...fake.controls.machines()].toSorted())
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
  fake.controls.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
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

/** What list says of each instance. */
async function tokensOf(group: InstanceGroup): Promise<Readonly<Record<string, string | undefined>>> {
  return Object.fromEntries((await group.list(signal)).map(({ id, launchToken }) => [id, launchToken]))
}

const count = (tokens: Readonly<Record<string, string | undefined>>, token: string | undefined): number =>
  Object.values(tokens).filter((each) => each === token).length

describe('a launch is written on the group', () => {
  const tagForms = () => forms('CreateOrUpdateTags')

  test('with its owner, right before it is asked for, in one call and not again when it is asked again', async () => {
    const { fake, group } = await start({})
    fake.retag({ team: 'build' })
    const request = { count: 3, launchToken: 'abc' }
    fake.controls.inject!({ kind: 'reset', on: 'increase', times: 1 })
    const before = fake.controls.calls!().length
    await expect(group.increase(request, signal)).rejects.toMatchObject({ code: 'transient' })
    const raise = ['DescribeScalingActivities', 'DescribeAutoScalingGroups', 'CreateOrUpdateTags', 'SetDesiredCapacity']
    expect(
      fake.controls.calls!()
        .slice(before)
        .map(({ operation }) => operation),
    ).toEqual(raise)
    expect(fake.tags).toEqual({ team: 'build', 'runner-core-fleet': 'test', 'runner-core-launches': 'abc:3/' })
    const written = tagForms().at(-1)!
    expect([written.get('Tags.member.1.PropagateAtLaunch'), written.get('Tags.member.2.PropagateAtLaunch')]).toEqual([
      'true',
      'true',
    ])
    const writes = tagForms().length
    fake.controls.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
    await expect(group.increase(request, signal)).rejects.toMatchObject({ code: 'transient' })
    expect(await group.increase(request, signal)).toEqual({ requested: 3 })
    expect(fake.desiredCapacity).toBe(3)
    expect(tagForms()).toHaveLength(writes)
    // The owner stands already.
    await group.increase({ count: 1, launchToken: 'def' }, signal)
    expect(values(tagForms().at(-1)!, 'Tags.member').filter((value) => value.startsWith('runner-core'))).toEqual([
      'runner-core-launches',
    ])
  })

  test('which tells what made an instance, and that a stranger’s is of none, to the next process too', async () => {
    const time = new ManualClock()
    const { fake, group, nextProcess } = await start({ clock: time })
    const { controls } = fake
    await group.increase({ count: 1, launchToken: 'one' }, signal)
    const [one] = controls.machines()
    const early = await controls.addForeign!()
    await time.advance(1000)
    controls.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
    await expect(group.increase({ count: 2, launchToken: 'two' }, signal)).rejects.toMatchObject({ code: 'transient' })
    const two = controls.machines().filter((id) => id !== one && id !== early)
    await time.advance(1000)
    const late = await controls.addForeign!()
    const made = { [one!]: 'one', [early]: undefined, [two[0]!]: 'two', [two[1]!]: 'two', [late]: undefined }
    for (const each of [group, await nextProcess()]) expect(await tokensOf(each)).toEqual(made)
  })

  test('which is known when it is asked for again, by the next process too, whatever the size is by then', async () => {
    const { fake, group, nextProcess } = await start({})
    const { controls } = fake
    const request = { count: 2, launchToken: 'two' }
    await group.increase({ count: 1, launchToken: 'one' }, signal)
    const [one] = controls.machines()
    controls.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
    await expect(group.increase(request, signal)).rejects.toMatchObject({ code: 'transient' })
    await controls.addForeign!()
    const next = await nextProcess()
    expect(await next.increase(request, signal)).toEqual({ requested: 2 })
    expect(fake.desiredCapacity).toBe(4)
    // Somebody ends one of the other launch, and the size says that less was taken.
    await next.decrease([one!], signal)
    await controls.resize!(-1)
    for (const each of [group, next]) expect(await each.increase(request, signal)).toEqual({ requested: 2 })
    expect(fake.desiredCapacity).toBe(2)
  })

  test('and what has not come of it is not asked for again by the next process', async () => {
    const { fake, group, nextProcess } = await start({})
    const request = { count: 2, launchToken: 'two' }
    fake.settings.suspendedProcesses = [...fake.settings.suspendedProcesses, 'Launch']
    fake.controls.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
    await expect(group.increase(request, signal)).rejects.toMatchObject({ code: 'transient' })
    expect(await (await nextProcess()).increase(request, signal)).toEqual({ requested: 2 })
    expect(fake.desiredCapacity).toBe(2)
  })

  test('and launches that overlap share out their instances, when those of the first are made with the tags of the second', async () => {
    const { fake, group } = await start({})
    const { suspendedProcesses } = fake.settings
    fake.settings.suspendedProcesses = [...suspendedProcesses, 'Launch']
    await group.increase({ count: 2, launchToken: 'one' }, signal)
    await group.increase({ count: 1, launchToken: 'two' }, signal)
    fake.settings.suspendedProcesses = suspendedProcesses
    const tokens = await tokensOf(group)
    expect([count(tokens, 'one'), count(tokens, 'two')]).toEqual([2, 1])
  })

  test('and launches that have failed are its own, and so is what the group launches after all', async () => {
    const time = new ManualClock()
    const { fake, group } = await start({ clock: time, launchRetryMs: 60_000 })
    await group.increase({ count: 1, launchToken: 'one' }, signal)
    await group.list(signal)
    await time.advance(1000)
    fake.controls.inject!({ kind: 'capacity', on: 'increase', times: 1 })
    await group.increase({ count: 2, launchToken: 'two' }, signal)
    // In one zone, and then in the other.
    expect(await group.list(signal)).toHaveLength(1)
    await time.advance(15_000)
    const failing = await group.list(signal)
    expect(failing.map(({ state, launchToken }) => `${state} ${launchToken}`)).toEqual([
      'running one',
      'failed two',
      'failed two',
    ])
    await time.advance(60_000)
    const launched = await group.list(signal)
    expect(launched.map(({ state, launchToken }) => `${state} ${launchToken}`)).toEqual([
      'running one',
      'running two',
      'running two',
    ])
  })

  test.each(['not_allowed', 'too_many'])(
    'unless it cannot be (%s): the start tells, nothing more is asked, and list tells no launch',
    async (why) => {
      const { fake, nextProcess } = await start({})
      if (why === 'too_many')
        fake.retag(Object.fromEntries(Array.from({ length: 50 }, (_, number) => [`tag-${number}`, ''])))
      else fake.settings.mayBeTagged = false
      const group = await nextProcess()
      expect(findings.map(({ code }) => code)).toEqual(['launches_not_tagged'])
      const before = exchanges.length
      await group.increase({ count: 2, launchToken: 'one' }, signal)
      expect(count(await tokensOf(group), undefined)).toBe(2)
      const asked = new Set(exchanges.slice(before).map(({ operation }) => operation))
      expect(asked).toEqual(new Set(['DescribeAutoScalingGroups', 'DescribeScalingActivities', 'SetDesiredCapacity']))
    },
  )

  test('which another fleet owns is left as it is at the start', async () => {
    const { fake, nextProcess } = await start({})
    const theirs = { 'runner-core-fleet': 'theirs', 'runner-core-launches': 'x:1/' }
    fake.retag(theirs)
    await nextProcess()
    expect(findings.map(({ code }) => code)).toEqual(['group_of_other_fleet'])
    expect(fake.tags).toEqual(theirs)
  })

  test('which costs no call for a machine: what list has learnt, the dial knows', async () => {
    const time = new ManualClock()
    const { group, running } = await start({ clock: time, maxSize: 1000, lags: { bootMs: 20_000 } })
    await group.increase({ count: 1000, launchToken: 'one' }, signal)
    const [first] = await group.list(signal)
    await expect(group.connectInfo(first!.id, signal)).rejects.toMatchObject({ code: 'not_ready' })
    await time.advance(20_000)
    const ids = await running()
    for (const id of ids) expect(await group.connectInfo(id, signal)).toMatchObject({ instanceId: id })
    // One of them was for the dial that came too early.
    expect(forms('DescribeInstances')).toHaveLength(6)
  })
})
