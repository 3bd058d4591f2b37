// The plugin on moto, an AWS that others wrote. It knows no batches of `TerminateInstanceInAutoScalingGroup`, no
// instance refreshes and no failed launches.
import { systemClock as clock, type InstanceGroup, systemRandom as random, silentLogger } from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { cloudsPython, Moto, withoutPython } from '@runner-core/testkit/clouds/moto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

if (withoutPython !== '') console.warn(`plugin aws on moto${withoutPython}`)

describe.skipIf(cloudsPython === undefined)(`plugin aws on moto${withoutPython}`, () => {
  const { signal } = new AbortController()
  let moto: Moto
  let privateKey: string
  let number = 0
  let name: string
  let group: InstanceGroup

  beforeAll(async () => {
    moto = await Moto.start(cloudsPython!)
    privateKey = (await newKeyPair()).privateKey
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
  })
  afterAll(() => moto[Symbol.asyncDispose]())
  beforeEach(async () => {
    number += 1
    name = `runners-${number}`
    await moto.makeGroup({ name, maxSize: 20, cidr: `127.80.${number}.0/24` })
    group = makeGroup()
    await group.init(signal)
    return () => group.shutdown()
  })

  function makeGroup(config: Readonly<Record<string, unknown>> = {}, connector = { privateKey }): InstanceGroup {
    const context = { fleet: 'test', connector, logger: silentLogger, clock, random }
    return createInstanceGroup({ name, region: 'eu-west-1', endpoint: moto.url, ...config }, context)
  }

  /** Ids that run, once there are so many: moto launches at once. */
  async function running(count: number): Promise<readonly string[]> {
    const rows = await group.list(signal)
    expect(rows.map(({ state }) => state)).toEqual(Array.from({ length: count }, () => 'running'))
    return rows.map(({ id }) => id)
  }

  test('a group set up as documented has no findings', async () => {
    const info = await makeGroup().init(signal)
    expect(info).toMatchObject({ id: `aws/eu-west-1/${name}`, maxSize: 20, findings: [] })
  })

  test.each([
    ['scale_in_protection_off', { NewInstancesProtectedFromScaleIn: false }],
    ['min_size_above_zero', { MinSize: 1 }],
    ['max_size_zero', { MaxSize: 0 }],
  ])('finds %s', async (code, change) => {
    await moto.autoScaling.updateAutoScalingGroup({ AutoScalingGroupName: name, ...change })
    expect((await makeGroup().init(signal)).findings).toMatchObject([{ code }])
  })

  test.each([
    ['replace_unhealthy_on', 'ReplaceUnhealthy'],
    ['alarm_notification_on', 'AlarmNotification'],
    ['scheduled_actions_on', 'ScheduledActions'],
  ])('finds %s', async (code, process) => {
    await moto.autoScaling.resumeProcesses({ AutoScalingGroupName: name, ScalingProcesses: [process] })
    expect((await makeGroup().init(signal)).findings).toMatchObject([{ code }])
  })

  test('a group that is not there is told as not_found, by its key', async () => {
    const missing = makeGroup({ name: 'no-such-group' })
    await expect(missing.init(signal)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('plugin_config.name'),
    })
  })

  test('machines are launched, listed, reached and removed by name, several by single ids where batches are not known', async () => {
    expect(await group.increase({ count: 5, launchToken: 'one' }, signal)).toEqual({ requested: 5 })
    const [first, second, third, ...kept] = await running(5)
    expect(await group.connectInfo(first!, signal)).toMatchObject({
      instanceId: first,
      internalAddress: expect.stringMatching(/^127\.80\./),
      username: 'ec2-user',
      privateKey,
      os: 'linux',
    })
    await group.heartbeat!(first!, signal)
    expect(await group.decrease([first!, second!, third!], signal)).toEqual({
      accepted: [first, second, third],
      errors: [],
    })
    expect((await running(2)).toSorted()).toEqual(kept.toSorted())
    const states = await moto.instanceStates()
    expect([first, second, third].map((id) => states.get(id!))).toEqual(['terminated', 'terminated', 'terminated'])
    expect(kept.map((id) => states.get(id))).toEqual(['running', 'running'])
    await expect(group.connectInfo(first!, signal)).rejects.toMatchObject({ code: 'not_found' })
    await expect(group.heartbeat!(first!, signal)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('once is enough to learn that batches are not known', async () => {
    await group.increase({ count: 4, launchToken: 'one' }, signal)
    const [a, b, c, d] = await running(4)
    await group.decrease([a!, b!], signal)
    const before = moto.requests.length
    await group.decrease([c!, d!], signal)
    const sent = moto.requests
      .slice(before)
      .filter((request) => request.get('Action') === 'TerminateInstanceInAutoScalingGroup')
    expect(sent.map((request) => request.get('InstanceId'))).toEqual([c, d])
  })

  test('what is gone already, and ids that never were, are accepted and not sent', async () => {
    await group.increase({ count: 2, launchToken: 'one' }, signal)
    const [first, second] = await running(2)
    await group.decrease([first!], signal)
    const before = moto.requests.length
    const ids = [first!, 'i-0123456789abcdef0']
    expect(await group.decrease(ids, signal)).toEqual({ accepted: ids, errors: [] })
    expect(moto.requests.slice(before).map((request) => request.get('Action'))).toEqual(['DescribeAutoScalingGroups'])
    expect(await running(1)).toEqual([second])
  })

  test('the size is only ever raised, from what is read', async () => {
    await group.increase({ count: 2, launchToken: 'one' }, signal)
    await moto.autoScaling.setDesiredCapacity({ AutoScalingGroupName: name, DesiredCapacity: 5 })
    await group.increase({ count: 2, launchToken: 'two' }, signal)
    await running(7)
  })

  test('a launch is written on the group, and its machines take that over: list tells it, and that a stranger’s machine is of none', async () => {
    await group.increase({ count: 2, launchToken: 'one' }, signal)
    await group.increase({ count: 1, launchToken: 'two' }, signal)
    await moto.autoScaling.setDesiredCapacity({ AutoScalingGroupName: name, DesiredCapacity: 4 })
    const next = makeGroup()
    await next.init(signal)
    for (const each of [group, next]) {
      const tokens = (await each.list(signal)).map(({ launchToken }) => launchToken ?? 'nobody')
      expect(tokens.toSorted((a, b) => a.localeCompare(b))).toEqual(['nobody', 'one', 'one', 'two'])
    }
    const { Tags = [] } = await moto.autoScaling.describeTags({
      Filters: [{ Name: 'auto-scaling-group', Values: [name] }],
    })
    expect(Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value]))).toEqual({
      fleet: 'runners',
      'runner-core-fleet': 'test',
      'runner-core-launches': 'two:1/one:2',
    })
    const Filters = [
      { Name: 'tag:aws:autoscaling:groupName', Values: [name] },
      { Name: 'tag:runner-core-fleet', Values: ['test'] },
    ]
    const { Reservations = [] } = await moto.ec2.describeInstances({ Filters })
    expect(Reservations.flatMap(({ Instances = [] }) => Instances)).toHaveLength(4)
    await next.shutdown()
  })

  test('an owner is a tag of the group alone: another manager reads it, machines do not have it, and without a value it is nobody', async () => {
    const owner = { id: 'here', name: 'fleet test on build-1', epoch: 3, since: Date.parse('2026-01-02T03:04:05Z') }
    await group.claim!(owner, signal)
    await group.increase({ count: 1, launchToken: 'one' }, signal)
    const other = makeGroup()
    await other.init(signal)
    expect(await other.owners!(signal)).toEqual([owner])
    const [id] = await running(1)
    const { Reservations = [] } = await moto.ec2.describeInstances({ InstanceIds: [id!] })
    expect(Reservations[0]?.Instances?.[0]?.Tags?.map(({ Key }) => Key)).not.toContain('runner-core-owner')
    await other.claim!(undefined, signal)
    expect(await group.owners!(signal)).toEqual([])
    await other.shutdown()
  })

  test('no more than the maximum is asked for, which moto would let pass', async () => {
    const { requested, errors } = await group.increase({ count: 25, launchToken: 'one' }, signal)
    expect(requested).toBe(20)
    expect(errors).toMatchObject([{ code: 'quota' }])
    await running(20)
  })

  test('a raise that was taken and answered with an error is given back: moto runs out of addresses', async () => {
    const crowded = `${name}-crowded`
    await moto.makeGroup({ name: crowded, maxSize: 20, cidr: `127.81.${number}.0/28` })
    const small = makeGroup({ name: crowded })
    await small.init(signal)
    await small.increase({ count: 2, launchToken: 'one' }, signal)
    await expect(small.increase({ count: 18, launchToken: 'two' }, signal)).rejects.toMatchObject({ code: 'transient' })
    const size = async () => {
      const { AutoScalingGroups = [] } = await moto.autoScaling.describeAutoScalingGroups({
        AutoScalingGroupNames: [crowded],
      })
      return [AutoScalingGroups[0]?.DesiredCapacity, AutoScalingGroups[0]?.Instances?.length]
    }
    expect(await size()).toEqual([20, 2])
    expect(await small.giveBack!(signal)).toBe(0)
    expect(await size()).toEqual([2, 2])
    await small.shutdown()
  })

  test('one that ended by itself is shown as gone', async () => {
    await group.increase({ count: 2, launchToken: 'one' }, signal)
    const [first] = await running(2)
    await moto.ec2.terminateInstances({ InstanceIds: [first!] })
    await expect(group.heartbeat!(first!, signal)).rejects.toMatchObject({ code: 'not_found' })
    await expect(group.connectInfo(first!, signal)).rejects.toMatchObject({ code: 'not_found' })
  })
})
