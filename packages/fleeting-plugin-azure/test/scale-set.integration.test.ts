import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Exchange } from '@runner-core/cloud-fakes'
import { GroupError, type InstanceGroup } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { describe, expect, test } from 'vitest'
import { AzureCloud } from './azure-cloud.ts'

const { signal } = new AbortController()
const newToken = (): string => randomUUID()
const compare = (one: string, other: string): number => one.localeCompare(other)

async function initialised(cloud: AzureCloud, ...args: Parameters<AzureCloud['group']>): Promise<InstanceGroup> {
  const group = cloud.group(...args)
  await group.init(signal)
  return group
}

/** The cloud's own names of the calls that `act` makes, logins apart. */
async function callsOf(cloud: AzureCloud, act: () => Promise<unknown>): Promise<readonly string[]> {
  const before = cloud.fake.controls.calls!().length
  await act()
  const calls = cloud.fake.controls.calls!().slice(before)
  return calls.map(({ operation }) => operation).filter((operation) => !operation.startsWith('Authority_'))
}

const get = 'VirtualMachineScaleSets_Get'
const update = 'VirtualMachineScaleSets_Update'
const follow = 'Operations_Get'
const modes = [
  ['Uniform', 'VirtualMachineScaleSetVMs_List', 'NetworkInterfaces_ListVirtualMachineScaleSetNetworkInterfaces'],
  ['Flexible', 'VirtualMachines_List', 'NetworkInterfaces_List'],
] as const

describe.each(modes)('a %s set', (mode, list, interfaces) => {
  test('whose size lags behind a delete is raised from the machines that stay', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({
      mode,
      clock,
      lags: { bootMs: 1000, deleteMs: 1000 },
      capacityLagMs: 60_000,
    })
    const group = await initialised(cloud)
    await group.increase({ count: 10, launchToken: 'ten' }, signal)
    await clock.advance(2000)
    const ids = (await group.list(signal)).map(({ id }) => id)
    await group.decrease(ids.slice(0, 8), signal)
    expect(await group.increase({ count: 1, launchToken: 'one' }, signal)).toEqual({ requested: 1 })
    expect(cloud.fake.capacity).toBe(3)
    await clock.advance(2000)
    expect(cloud.fake.controls.machines()).toHaveLength(3)

    // What somebody else asked for meanwhile, and what has not come yet, stays asked for.
    await group.decrease(ids.slice(8), signal)
    await cloud.fake.controls.resize!(4)
    await group.increase({ count: 2, launchToken: 'two' }, signal)
    expect(cloud.fake.capacity).toBe(7)
    await group.shutdown()
  })

  test('counts no machine as still to come that came and was deleted while its size lags', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({ mode, clock, lags: { bootMs: 1000 }, capacityLagMs: 60_000 })
    const group = await initialised(cloud)
    await group.increase({ count: 2, launchToken: 'one' }, signal)
    await group.decrease([(await group.list(signal))[0]!.id], signal)
    expect(await group.list(signal)).toHaveLength(1)
    await group.increase({ count: 1, launchToken: 'two' }, signal)
    expect(cloud.fake.capacity).toBe(2)
  })

  test('is raised from the machines that stay when the answer to their delete was lost, also before the delete is repeated', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({ mode, clock, lags: { deleteMs: 1000 }, capacityLagMs: 60_000 })
    const group = await initialised(cloud)
    await group.increase({ count: 3, launchToken: 'one' }, signal)
    const [first] = await group.list(signal)
    cloud.fake.controls.inject!({ kind: 'lost_answer', on: 'decrease', times: 1 })
    await expect(group.decrease([first!.id], signal)).rejects.toMatchObject({ code: 'transient' })
    await group.increase({ count: 1, launchToken: 'two' }, signal)
    expect(cloud.fake.capacity).toBe(3)
  })

  test('is raised from the machines that stay when one was evicted and the size lags', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({ mode, clock, capacityLagMs: 60_000 })
    const group = await initialised(cloud)
    await group.increase({ count: 3, launchToken: 'one' }, signal)
    const [first] = await group.list(signal)
    await cloud.fake.controls.kill!(first!.id)
    // Nothing is missing: nobody asked for it.
    expect((await group.list(signal)).map(({ state }) => state)).toEqual(['running', 'running'])
    await group.increase({ count: 1, launchToken: 'two' }, signal)
    expect(cloud.fake.capacity).toBe(3)
  })

  test('is raised from the machines that stay when it lags and a launch has failed besides', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({ mode, clock, failedLaunches: 'nothing', capacityLagMs: 60_000 })
    const group = await initialised(cloud)
    await group.increase({ count: 4, launchToken: 'four' }, signal)
    const ids = (await group.list(signal)).map(({ id }) => id)
    cloud.fake.controls.inject!({ kind: 'capacity', on: 'increase' })
    await group.increase({ count: 1, launchToken: 'failed' }, signal)
    cloud.fake.controls.heal!()
    expect((await group.list(signal)).map(({ state }) => state).toSorted(compare)).toEqual([
      'failed',
      ...Array.from({ length: 4 }, () => 'running'),
    ])
    await group.decrease(ids.slice(0, 3), signal)
    await group.increase({ count: 1, launchToken: 'one' }, signal)
    expect(cloud.fake.capacity).toBe(2)
  })

  test('shows a machine as deleting whose delete was accepted, and takes it for gone, while the list is late', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({ mode, clock, listLagMs: 60_000 })
    const group = await initialised(cloud)
    await group.increase({ count: 3, launchToken: 'one' }, signal)
    await clock.advance(60_000)
    const [first, second, third] = (await group.list(signal)).map(({ id }) => id)
    await group.decrease([first!], signal)
    const states = new Map((await group.list(signal)).map(({ id, state }) => [id, state]))
    expect([states.get(first!), states.get(second!)]).toEqual(['deleting', 'running'])
    expect(await group.decrease([first!], signal)).toMatchObject({ accepted: [first] })

    cloud.fake.controls.inject!({ kind: 'lost_answer', on: 'decrease', times: 1 })
    await expect(group.decrease([second!], signal)).rejects.toMatchObject({ code: 'transient' })
    expect(await group.decrease([second!, third!], signal)).toMatchObject({ accepted: [second, third] })
    expect([cloud.fake.capacity, cloud.fake.controls.machines()]).toEqual([0, []])
  })

  test('is raised with one read and one write, and nobody waits for its machines', async () => {
    const exchanges: Exchange[] = []
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({
      mode,
      clock,
      lags: { bootMs: 300_000 },
      onExchange: (exchange) => exchanges.push(exchange),
    })
    const group = await initialised(cloud)
    const calls = await callsOf(cloud, async () => {
      expect(await group.increase({ count: 3, launchToken: 'abc' }, signal)).toEqual({ requested: 3 })
    })
    expect(calls).toEqual([get, update])
    const read = exchanges.findLast(({ operation }) => operation === get)!
    const write = exchanges.find(({ operation }) => operation === update)!
    expect(write.request.headers['if-match']).toBe((JSON.parse(read.answer.body) as { etag: string }).etag)
    expect(JSON.parse(write.request.body)).toEqual({
      sku: { capacity: 3 },
      tags: { 'runner-core-fleet': 'azure-test', 'runner-core-launches': 'abc:3/' },
    })
    const rows = (await group.list(signal)).map(({ state, launchToken }) => `${state} of ${launchToken}`)
    expect(rows).toEqual(Array.from({ length: 3 }, () => 'creating of abc'))
  })

  test('that somebody changes between the read and the write stays as it is: a conflict', async () => {
    let meddle = (): void => {}
    await using cloud = await AzureCloud.start({ mode, onExchange: ({ operation }) => operation === get && meddle() })
    const group = await initialised(cloud)
    meddle = () => void cloud.fake.controls.resize!(2)
    await expect(group.increase({ count: 3, launchToken: newToken() }, signal)).rejects.toMatchObject({
      code: 'conflict',
    })
    meddle = () => {}
    expect(cloud.fake.capacity).toBe(2)
    await group.increase({ count: 3, launchToken: newToken() }, signal)
    expect(cloud.fake.capacity).toBe(5)
  })

  test('recognises a launch whose answer was lost when it is asked for again, by the next process too, whatever the size is by then', async () => {
    await using cloud = await AzureCloud.start({ mode })
    const { controls } = cloud.fake
    const group = await initialised(cloud)
    await group.increase({ count: 1, launchToken: newToken() }, signal)
    const request = { count: 2, launchToken: newToken() }
    controls.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
    await expect(group.increase(request, signal)).rejects.toMatchObject({ code: 'transient' })
    expect(await group.increase(request, signal)).toEqual({ requested: 2 })
    await controls.addForeign!()
    expect(await group.increase(request, signal)).toEqual({ requested: 2 })

    const next = await initialised(cloud)
    await controls.kill!(controls.machines()[0]!)
    expect(await next.increase(request, signal)).toEqual({ requested: 2 })
    expect(cloud.fake.capacity).toBe(3)
    // Another launch of the same size is another launch.
    await next.increase({ ...request, launchToken: newToken() }, signal)
    expect(cloud.fake.capacity).toBe(5)
    expect(await group.increase(request, signal)).toEqual({ requested: 2 })
    expect(cloud.fake.capacity).toBe(5)
  })

  test('tells which launch made a machine, and that a stranger’s machine is of none, to the next process too', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({ mode, clock })
    const { controls } = cloud.fake
    const first = await initialised(cloud)
    await first.increase({ count: 1, launchToken: 'one' }, signal)
    const [one] = controls.machines()
    await clock.advance(1000)
    controls.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
    await expect(first.increase({ count: 2, launchToken: 'two' }, signal)).rejects.toMatchObject({ code: 'transient' })
    const two = controls.machines().filter((id) => id !== one)
    await clock.advance(1000)
    const stranger = await controls.addForeign!()
    const made = { [one!]: 'one', [two[0]!]: 'two', [two[1]!]: 'two', [stranger]: undefined }
    for (const group of [first, await initialised(cloud)]) {
      const rows = await group.list(signal)
      expect(Object.fromEntries(rows.map(({ id, launchToken }) => [id, launchToken]))).toEqual(made)
    }
  })

  test('does not take a stranger’s raise of the same size for its own, when its request never arrived', async () => {
    await using cloud = await AzureCloud.start({ mode })
    const group = await initialised(cloud)
    const request = { count: 2, launchToken: newToken() }
    cloud.fake.controls.inject!({ kind: 'reset', on: 'increase', times: 1 })
    await expect(group.increase(request, signal)).rejects.toMatchObject({ code: 'transient' })
    await cloud.fake.controls.resize!(2)
    expect(await group.increase(request, signal)).toEqual({ requested: 2 })
    expect(cloud.fake.capacity).toBe(4)
    const rows = await group.list(signal)
    expect(rows.map(({ launchToken }) => launchToken ?? 'nobody').toSorted(compare)).toEqual(
      [request.launchToken, request.launchToken, 'nobody', 'nobody'].toSorted(compare),
    )
  })

  test('shares out the machines of launches that overlap, when those of the first are made with the tags of the second', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({ mode, clock, lags: { appearMs: 5000 }, tagged: 'when shown' })
    const group = await initialised(cloud)
    await group.increase({ count: 2, launchToken: 'one' }, signal)
    await clock.advance(1000)
    await group.increase({ count: 1, launchToken: 'two' }, signal)
    await clock.advance(10_000)
    const rows = await group.list(signal)
    expect(rows.map(({ launchToken }) => launchToken ?? 'nobody').toSorted(compare)).toEqual(['one', 'one', 'two'])
  })

  test('keeps the tags that others gave it, and one that is changed between the read and the write', async () => {
    let meddle = (): void => {}
    await using cloud = await AzureCloud.start({ mode, onExchange: ({ operation }) => operation === get && meddle() })
    cloud.fake.retag({ team: 'build' })
    const group = await initialised(cloud)
    meddle = () => cloud.fake.retag({ team: 'test' })
    await expect(group.increase({ count: 1, launchToken: 'a' }, signal)).rejects.toMatchObject({ code: 'conflict' })
    meddle = () => {}
    await group.increase({ count: 1, launchToken: 'a' }, signal)
    expect(cloud.fake.tags).toEqual({ team: 'test', 'runner-core-fleet': 'azure-test', 'runner-core-launches': 'a:1/' })
  })

  test('whose launch failed has given it back, and what somebody asks for later is not of that launch', async () => {
    await using cloud = await AzureCloud.start({ mode, failedLaunches: 'nothing' })
    const group = await initialised(cloud)
    cloud.fake.controls.inject!({ kind: 'capacity', on: 'increase', times: 1 })
    await group.increase({ count: 1, launchToken: 'a' }, signal)
    const [missing] = await group.list(signal)
    await group.decrease([missing!.id], signal)
    const stranger = await cloud.fake.controls.addForeign!()
    expect(await (await initialised(cloud)).list(signal)).toEqual([
      { id: stranger, state: 'running', detail: 'Succeeded' },
    ])
  })

  test('launches again when the request itself was lost', async () => {
    await using cloud = await AzureCloud.start({ mode })
    const group = await initialised(cloud)
    const request = { count: 2, launchToken: newToken() }
    cloud.fake.controls.inject!({ kind: 'reset', on: 'increase', times: 1 })
    await expect(group.increase(request, signal)).rejects.toMatchObject({ code: 'transient' })
    expect(await group.increase(request, signal)).toEqual({ requested: 2 })
    expect(cloud.fake.capacity).toBe(2)
  })

  test('is asked how a change stands only as often as Azure wants', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({ mode, clock, lags: { bootMs: 25_000 }, pollAfterSeconds: 10 })
    const group = await initialised(cloud)
    await group.increase({ count: 1, launchToken: newToken() }, signal)
    const seen: (readonly string[])[] = []
    for (const seconds of [0, 9, 1, 1, 8, 1, 9, 1, 5, 60]) {
      await clock.advance(seconds * 1000)
      seen.push(await callsOf(cloud, () => group.list(signal)))
    }
    const after = (...extra: string[]): string[] => [...extra, list]
    expect(seen).toEqual([
      after(),
      after(),
      after(follow),
      after(),
      after(),
      after(follow),
      after(),
      after(follow, get),
      after(),
      after(),
    ])
  })

  test('is listed with one call that has no instance view, and a failure is looked up once', async () => {
    const exchanges: Exchange[] = []
    const failedLaunches = 'failed machines'
    await using cloud = await AzureCloud.start({
      mode,
      failedLaunches,
      onExchange: (exchange) => exchanges.push(exchange),
    })
    const group = await initialised(cloud)
    await group.increase({ count: 2, launchToken: newToken() }, signal)
    await group.list(signal)
    expect(await callsOf(cloud, () => group.list(signal))).toEqual([list])
    expect(exchanges.some(({ request }) => request.url.searchParams.has('$expand'))).toBe(false)

    cloud.fake.controls.inject!({ kind: 'capacity', on: 'increase', times: 1 })
    await group.increase({ count: 2, launchToken: newToken() }, signal)
    const failed = (await group.list(signal)).filter(({ state }) => state === 'failed')
    expect(failed.map(({ error }) => error?.code)).toEqual(['capacity', 'capacity'])
    expect(failed[0]!.error!.message).toContain('AllocationFailed')
    await group.list(signal)
    expect(exchanges.filter(({ request }) => request.url.searchParams.has('$expand'))).toHaveLength(1)

    await group.decrease(
      failed.map(({ id }) => id),
      signal,
    )
    expect(cloud.fake.capacity).toBe(2)
  })

  test('that stays raised over machines that never come is lowered by them, and not below those that are there', async () => {
    await using cloud = await AzureCloud.start({ mode, failedLaunches: 'nothing' })
    const group = await initialised(cloud)
    await group.increase({ count: 2, launchToken: newToken() }, signal)
    cloud.fake.controls.inject!({ kind: 'capacity', on: 'increase', times: 1 })
    await group.increase({ count: 3, launchToken: newToken() }, signal)
    expect(cloud.fake.capacity).toBe(5)
    const missing = (await group.list(signal)).filter(({ state }) => state === 'failed')
    expect(missing.map(({ error }) => error?.code)).toEqual(['capacity', 'capacity', 'capacity'])
    const ids = missing.map(({ id }) => id)
    expect(await group.decrease(ids, signal)).toEqual({ accepted: ids })
    expect(cloud.fake.capacity).toBe(2)
    expect(cloud.fake.controls.machines()).toHaveLength(2)
    expect(await group.list(signal)).toHaveLength(2)
  })

  test('that stays raised over machines that never come is lowered to those that are there, also by a process that did not raise it', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({ mode, clock, failedLaunches: 'nothing', lags: { bootMs: 60_000 } })
    const first = await initialised(cloud)
    await first.increase({ count: 2, launchToken: newToken() }, signal)
    await clock.advance(60_000)
    cloud.fake.controls.inject!({ kind: 'capacity', on: 'increase', times: 1 })
    await first.increase({ count: 3, launchToken: newToken() }, signal)
    const next = await initialised(cloud)
    await expect(next.giveBack!(signal)).rejects.toMatchObject({ code: 'conflict' })
    expect(cloud.fake.capacity).toBe(5)
    await clock.advance(60_000)
    const machines = cloud.fake.controls.machines()
    expect(await next.giveBack!(signal)).toBe(0)
    expect(await next.giveBack!(signal)).toBe(0)
    expect(cloud.fake.capacity).toBe(2)
    expect(cloud.fake.controls.machines()).toEqual(machines)
    expect((await next.list(signal)).map(({ state }) => state)).toEqual(['running', 'running'])
  })

  test('keeps its size for a minute where a late list does not show what came of it', async () => {
    const clock = new ManualClock()
    await using cloud = await AzureCloud.start({ mode, clock, listLagMs: 30_000 })
    const group = await initialised(cloud)
    await group.increase({ count: 2, launchToken: newToken() }, signal)
    await clock.advance(15_000)
    const early = await group.list(signal)
    await expect(group.giveBack!(signal)).rejects.toMatchObject({ code: 'conflict' })
    await clock.advance(45_000)
    expect([early, cloud.fake.capacity]).toEqual([[], 2])
    expect((await group.list(signal)).map(({ state }) => state)).toEqual(['running', 'running'])
    expect(await group.giveBack!(signal)).toBe(0)
    expect(cloud.fake.capacity).toBe(2)
  })

  test('tells the addresses of many machines with one read', async () => {
    await using cloud = await AzureCloud.start({ mode })
    const group = await initialised(cloud)
    await group.increase({ count: 20, launchToken: newToken() }, signal)
    const ids = (await group.list(signal)).map(({ id }) => id)
    const calls = await callsOf(cloud, async () => {
      const addresses = (await Promise.all(ids.map((id) => group.connectInfo(id, signal)))).map(
        ({ internalAddress }) => internalAddress,
      )
      expect(new Set(addresses).size).toBe(20)
    })
    expect(calls).toEqual([interfaces])
    expect(await callsOf(cloud, () => group.connectInfo(ids[7]!, signal))).toEqual([])
  })

  test('takes what fits below its most machines, and says what did not', async () => {
    await using cloud = await AzureCloud.start({ mode })
    cloud.fake.controls.misconfigurations!.get('single_placement_group')!()
    const group = await initialised(cloud)
    await group.increase({ count: 98, launchToken: newToken() }, signal)
    const { requested, errors } = await group.increase({ count: 5, launchToken: newToken() }, signal)
    expect(requested).toBe(2)
    expect(errors).toEqual([expect.objectContaining({ code: 'quota' })])
    expect(cloud.fake.capacity).toBe(100)
  })
})

test('what Retry-After says is in the error', async () => {
  await using cloud = await AzureCloud.start()
  const group = await initialised(cloud)
  cloud.fake.controls.inject!({ kind: 'throttled', on: 'list', retryAfterMs: 17_000 })
  await expect(group.list(signal)).rejects.toMatchObject({ code: 'throttled', retryAfterMs: 17_000 })
})

describe('a private cloud', () => {
  test('is trusted by NODE_EXTRA_CA_CERTS, and logs in at its own authority without asking Microsoft', async () => {
    await using cloud = await AzureCloud.start()
    const program = `
      import { silentLogger, systemClock, systemRandom } from '@runner-core/fleeting'
      import { createInstanceGroup } from '${new URL('../src/index.ts', import.meta.url).href}'
      const context = { fleet: 'f', connector: { privateKey: 'KEY' }, logger: silentLogger, clock: systemClock, random: systemRandom }
      const { id } = await createInstanceGroup(JSON.parse(process.env.CONFIG), context).init(AbortSignal.timeout(20_000))
      console.log(id)`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=@runner-core/source', '--input-type=module', '--eval', program],
      {
        cwd: fileURLToPath(new URL('..', import.meta.url)),
        env: { ...process.env, NODE_EXTRA_CA_CERTS: cloud.caFile, CONFIG: JSON.stringify(cloud.fake.config) },
      },
    )
    expect(stdout.trim()).toBe(`azure/${cloud.fake.config.subscription_id}/fake-group/fake-set`)
    expect(cloud.fake.controls.calls!().map(({ operation }) => operation)).toContain('Authority_Token')
  })

  test.each([
    ['is not trusted', { ca_file: undefined }],
    ['cannot be reached', { authority_host: 'https://127.0.0.1:1' }],
  ])(
    'whose authority %s may be trusted, or reached, later, and the message says which key helps',
    async (_what, config) => {
      await using cloud = await AzureCloud.start()
      const error = await cloud
        .group(config)
        .init(signal)
        .catch((error: unknown) => error)
      expect(error).toBeInstanceOf(GroupError)
      expect(error).toMatchObject({ code: 'transient', message: expect.stringContaining('ca_file') })
    },
  )

  test('whose Resource Manager alone is not trusted is a wrong configuration', async () => {
    await using cloud = await AzureCloud.start()
    await using other = await AzureCloud.start()
    const { endpoint } = other.fake.config
    const error = await cloud
      .group({ endpoint })
      .init(signal)
      .catch((error: unknown) => error)
    expect(error).toBeInstanceOf(GroupError)
    expect(error).toMatchObject({ code: 'invalid_config', message: expect.stringContaining('plugin_config.ca_file') })
  })

  test('with a login that its authority refuses is an auth error', async () => {
    await using cloud = await AzureCloud.start()
    process.env['AZURE_CLIENT_SECRET'] = 'wrong'
    const error = await cloud
      .group()
      .init(signal)
      .catch((error: unknown) => error)
    expect(error).toBeInstanceOf(GroupError)
    expect(error).toMatchObject({ code: 'auth', message: expect.stringContaining('Invalid client secret') })
  })
})
