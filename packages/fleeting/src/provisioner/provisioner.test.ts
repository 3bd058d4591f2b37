import { describe, expect, it, vi } from 'vitest'
import { MemoryFleet, never, startFleet } from '../../test/memory-fleet.ts'
import { delay } from '../contract/clock.ts'
import { GroupError } from '../contract/errors.ts'
import { MemoryStateStore } from '../state/memory-state-store.ts'
import type { StateChange } from '../state/state-store.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { MemoryGroup } from '../testing/memory-group.ts'
import type { ProvisionerObserver } from './observer.ts'
import { Provisioner } from './provisioner.ts'

describe('start', () => {
  it('adopts what is there', async () => {
    const fleet = new MemoryFleet({})
    const id = fleet.group.addForeign()
    fleet.provisioner = await Provisioner.start({ group: fleet.group, clock: fleet.clock }, never)
    await using _ = fleet
    expect(fleet.instances).toMatchObject([{ id, cause: 'adopted', state: 'running' }])
    expect(fleet.provisioner.info.id).toBe('memory/test')
    expect(fleet.provisioner.maxInstances).toBe(10)
  })

  it('fails with what init says, and ends the group', async () => {
    const clock = new ManualClock()
    const group = new MemoryGroup({ clock })
    group.fail('init', new GroupError('auth', 'the key is wrong'))
    await expect(Provisioner.start({ group, clock }, never)).rejects.toMatchObject({ code: 'auth' })
    expect(group.isShutDown).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  it('refuses a maximum above the group’s own, and bad settings', async () => {
    const clock = new ManualClock()
    const group = new MemoryGroup({ clock, maxSize: 5 })
    const message = 'max_instances: expected at most 5, the maximum of group memory/test, got 6'
    await expect(Provisioner.start({ group, clock, maxInstances: 6 }, never)).rejects.toMatchObject({
      code: 'invalid_config',
      message,
    })
    await expect(Provisioner.start({ group, clock, settings: { callTimeoutMs: 0 } }, never)).rejects.toMatchObject({
      code: 'invalid_config',
    })
    expect(clock.pendingTimers).toBe(0)
  })

  it('tries the first list a few times, then fails with its error', async () => {
    const clock = new ManualClock()
    const group = new MemoryGroup({ clock })
    group.fail('list', new GroupError('transient', 'down'), 4)
    const starting = Provisioner.start({ group, clock }, never)
    await clock.advance(120_000)
    const provisioner = await starting
    await provisioner[Symbol.asyncDispose]()
    group.calls.length = 0
    group.fail('list', new GroupError('transient', 'down'), Infinity)
    const failing = Provisioner.start({ group, clock }, never)
    failing.catch(() => {})
    await clock.advance(120_000)
    await expect(failing).rejects.toMatchObject({ message: 'down' })
    expect(group.calls.filter(({ operation }) => operation === 'list')).toHaveLength(5)
    expect(clock.pendingTimers).toBe(0)
  })

  it('ends with its signal, even when the group hangs', async () => {
    const clock = new ManualClock()
    const group = new MemoryGroup({ clock })
    group.fail('list', { kind: 'deaf' })
    const controller = new AbortController()
    const starting = Provisioner.start({ group, clock }, controller.signal)
    starting.catch(() => {})
    await clock.advance(1000)
    controller.abort(new Error('enough'))
    await expect(starting).rejects.toThrow('enough')
    await clock.advance(0)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('instances', () => {
  it('go from request over seen and running to gone, each with its cause, all told', async () => {
    await using fleet = await startFleet({ bootDelayMs: 3000, deleteDelayMs: 3000 })
    const requestedAt = fleet.clock.now()
    fleet.provisioner.request(1, { reason: 'test' })
    await fleet.clock.advance(1000)
    const [id] = fleet.ids
    expect(fleet.instances).toMatchObject([{ state: 'creating', cause: 'requested', requestedAt }])
    await fleet.clock.advance(4000)
    expect(fleet.instances[0]).toMatchObject({ state: 'running' })
    fleet.provisioner.remove([id!], 'idle')
    expect(fleet.instances[0]).toMatchObject({ removal: { reason: 'idle' } })
    await fleet.clock.advance(6000)
    expect(fleet.ids).toEqual([])
    expect(fleet.changes.map(({ kind, instance }) => `${kind} ${instance.state}`)).toEqual([
      'seen creating',
      'updated running',
      'updated running',
      'updated deleting',
      'gone deleting',
    ])
    expect(fleet.changes.at(-1)).toMatchObject({ kind: 'gone', lost: false })
  })

  it('that nobody here requested are unexpected, and count against the maximum', async () => {
    await using fleet = await startFleet({ maxSize: 3 })
    await fleet.launch(1)
    const stranger = fleet.group.addForeign()
    await fleet.clock.advance(60_000)
    expect(fleet.provisioner.instances().get(stranger)).toMatchObject({ cause: 'unexpected' })
    expect(fleet.provisioner.request(5, { reason: 'test' })).toBe(1)
  })

  it('in use that vanish are lost within seconds: the cloud is asked for them by id', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(2)
    await fleet.clock.advance(120_000)
    fleet.busy.add(id!)
    await fleet.provisioner.connect(id!, 0, never)
    await fleet.clock.advance(1000)
    fleet.changes.length = 0
    const lists = fleet.calls('list').length
    fleet.group.preempt(id!)
    await fleet.clock.advance(300)
    expect(fleet.changes.map(({ kind }) => kind)).toEqual(['updated', 'gone'])
    expect(fleet.changes).toMatchObject([{ instance: { id, missed: true, healthy: false } }, { lost: true }])
    expect(fleet.calls('list').length - lists).toBe(1)
    expect(fleet.calls('describe').map(({ ids }) => ids)).toEqual([[id]])
  })

  it('in use are looked after every few seconds, also without a word from their connection', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    await fleet.clock.advance(59_000)
    fleet.busy.add(id!)
    await fleet.provisioner.connect(id!, 0, never)
    fleet.group.setState(id!, 'deleting')
    await fleet.clock.advance(5100)
    expect(fleet.instances[0]).toMatchObject({ state: 'deleting' })
  })

  it('that come back after they were lost are removed before anybody uses them', async () => {
    await using fleet = await startFleet({ connectable: false, tells: { byId: false } })
    const [id] = await fleet.launch(1)
    const list = vi.spyOn(fleet.group, 'list').mockResolvedValue([])
    await fleet.clock.advance(90_000)
    expect(fleet.ids).toEqual([])
    list.mockRestore()
    await fleet.clock.advance(62_000)
    expect(fleet.changes.at(-1)).toMatchObject({
      kind: 'gone',
      instance: { id, cause: 'requested', removal: { reason: 'came back after it was lost' } },
    })
    expect(fleet.group.ids).toEqual([])
  })

  it('that failed, or are stuck, are replaced; unknown ones too, when they stay so', async () => {
    await using fleet = await startFleet({ bootDelayMs: 1000 })
    fleet.group.bootsFailed = 1
    fleet.provisioner.request(1, { reason: 'test' })
    await fleet.clock.advance(5000)
    expect(fleet.changes.at(-1)).toMatchObject({
      kind: 'gone',
      lost: false,
      instance: { removal: { reason: 'failed: the boot failed' } },
    })
    expect(fleet.group.ids).toEqual([])
    expect(fleet.provisioner.launchState().backoffs).toMatchObject([{ code: 'failed_boot', failures: 1 }])
    await fleet.clock.advance(60_000)
    fleet.group.bootsStuck = 1
    const [stuck, odd] = await fleet.launch(2)
    fleet.group.setState(odd!, 'unknown', 'STAGING')
    await fleet.clock.advance(890_000)
    expect(fleet.group.ids).toEqual([stuck, odd])
    await fleet.clock.advance(30_000)
    expect(fleet.ids).toEqual([])
  })

  it('whose interruption is announced get no new work', async () => {
    await using fleet = await startFleet({ capabilities: ['interruption_notice'] })
    const [id] = await fleet.launch(1)
    fleet.group.announceInterruption(id!)
    expect(fleet.instances[0]).toMatchObject({ healthy: false, interruptedAt: fleet.clock.now() })
  })
})

describe('the journal', () => {
  it('has each intent before its act, and none when all is done', async () => {
    const lease = await new MemoryStateStore().lease('test')
    await using fleet = await startFleet({ provisioner: { lease } })
    const order: string[] = []
    const write = lease.write.bind(lease)
    vi.spyOn(lease, 'write').mockImplementation(async (changes: readonly StateChange[]) => {
      await write(changes)
      order.push(...changes.map(({ kind, value }) => `${value === null ? 'end' : 'write'} ${kind}`))
    })
    for (const operation of ['increase', 'decrease'] as const) {
      const act = fleet.group[operation].bind(fleet.group) as (...args: unknown[]) => unknown
      const noted = (...args: unknown[]): unknown => {
        order.push(operation)
        return act(...args)
      }
      vi.spyOn(fleet.group, operation).mockImplementation(noted as never)
    }
    const [id] = await fleet.launch(1)
    fleet.provisioner.remove([id!], 'test')
    await fleet.clock.advance(5000)
    const acts = [
      'write launch',
      'increase',
      'write launch',
      'write fleet',
      'end launch',
      'write instance',
      'write removal',
      'decrease',
      'end removal',
      'end instance',
    ]
    expect(order).toEqual(acts)
    expect((await lease.load()).map(({ kind }) => kind)).toEqual(['fleet', 'version', 'fleet', 'fleet'])
  })

  it('does not keep the intent of a launch that was not made, since it was kept but said not to be', async () => {
    const lease = await new MemoryStateStore().lease('test')
    await using fleet = await startFleet({ provisioner: { lease } })
    const write = lease.write.bind(lease)
    let isFailing = true
    vi.spyOn(lease, 'write').mockImplementation(async (changes: readonly StateChange[]) => {
      await write(changes)
      if (isFailing) throw new Error('the answer was lost')
    })
    fleet.provisioner.request(1, { reason: 'test' })
    await fleet.clock.advance(1000)
    isFailing = false
    await fleet.clock.advance(60_000)
    expect(fleet.calls('increase')).toEqual([])
    expect((await lease.load(['launch'])).map(({ key }) => key)).toEqual([])
  })

  it('gives a launch back whose intent took so long to write that the group cannot be read any more', async () => {
    const lease = await new MemoryStateStore().lease('test')
    await using fleet = await startFleet({ provisioner: { lease, settings: { updateIntervalMs: 1000 } } })
    const write = lease.write.bind(lease)
    vi.spyOn(lease, 'write').mockImplementationOnce(async (changes: readonly StateChange[]) => {
      await delay(fleet.clock, 5_000)
      await write(changes)
    })
    fleet.provisioner.request(1, { reason: 'test' })
    fleet.group.fail('list', new GroupError('transient', 'not now'), 20)
    await fleet.clock.advance(10_000)
    expect(fleet.calls('increase')).toEqual([])
    expect(fleet.provisioner.launchState().outstanding).toEqual([])
    expect(await lease.load(['launch'])).toEqual([])
  })

  it('lets the next process go on: its launches are awaited, its removals sent again', async () => {
    const store = new MemoryStateStore()
    const before = await store.lease('test')
    const fleet = new MemoryFleet({ appearDelayMs: 4000, tells: { ids: false } })
    const doomed = fleet.group.addForeign()
    await before.write([
      { kind: 'launch', key: 'token-1', value: { count: 2, reason: 'test', atWallTime: 0, isAccepted: true } },
      { kind: 'removal', key: doomed, value: { reason: 'idle', atWallTime: 0 } },
      { kind: 'removal', key: 'long-gone', value: { reason: 'idle', atWallTime: 0 } },
    ])
    await fleet.group.increase({ count: 2, launchToken: 'token-1' }, never)
    const lease = await store.lease('test', { takeover: true })
    fleet.provisioner = await Provisioner.start({ group: fleet.group, clock: fleet.clock, lease }, never)
    await using _ = fleet
    expect(fleet.provisioner.launchState().outstanding).toMatchObject([
      { launchToken: 'token-1', count: 2, phase: 'accepted' },
    ])
    expect(fleet.instances).toMatchObject([{ id: doomed, cause: 'adopted', removal: { reason: 'idle' } }])
    await fleet.clock.advance(10_000)
    expect(fleet.instances).toMatchObject([{ cause: 'requested' }, { cause: 'requested' }])
    expect(fleet.calls('increase')).toHaveLength(1)
    expect(await lease.load(['launch', 'removal'])).toEqual([])
    expect(await lease.load(['instance'])).toMatchObject(
      fleet.instances.map(({ id }) => ({ key: id, value: { cause: 'requested' } })),
    )
  })

  it('that cannot be written keeps everything from being done', async () => {
    const lease = await new MemoryStateStore().lease('test')
    await using fleet = await startFleet({ provisioner: { lease } })
    const [id] = await fleet.launch(1)
    const write = vi.spyOn(lease, 'write').mockRejectedValue(new Error('disk full'))
    fleet.provisioner.request(1, { reason: 'test' })
    fleet.provisioner.remove([id!], 'test')
    await fleet.clock.advance(1000)
    expect([fleet.calls('increase').length, fleet.calls('decrease').length]).toEqual([1, 0])
    expect(fleet.provisioner.launchState().outstanding).toEqual([])
    write.mockRestore()
    await fleet.clock.advance(60_000)
    expect(fleet.group.ids).toEqual([])
  })

  it('of a fleet that has another owner stops the provisioner for good', async () => {
    const store = new MemoryStateStore()
    const lease = await store.lease('test')
    await using fleet = await startFleet({ provisioner: { lease } })
    const [id] = await fleet.launch(1)
    await store.lease('test', { takeover: true })
    fleet.provisioner.remove([id!], 'test')
    await fleet.clock.advance(1000)
    expect(fleet.provisioner.fenced).toMatchObject({ code: 'fenced' })
    expect(fleet.provisioner.request(1, { reason: 'test' })).toBe(0)
    expect(fleet.provisioner.launchState()).toMatchObject({ closed: true })
    const calls = fleet.group.calls.length
    await fleet.clock.advance(3_600_000)
    expect(fleet.group.calls).toHaveLength(calls)
    expect(await fleet.provisioner.shutdown({ removeInstances: true })).toEqual({ remaining: [id] })
    expect(fleet.group.stateOf(id!)).toBe('running')
    expect(fleet.group.isShutDown).toBe(false)
  })
})

describe('list', () => {
  const starts = async (fleet: MemoryFleet, ms: number) => {
    const [from, before] = [fleet.clock.now(), fleet.calls('list').length]
    await fleet.clock.advance(ms)
    return fleet
      .calls('list')
      .slice(before)
      .map(({ at }) => at - from)
  }

  it('is read quickly after a launch, then as while something is expected, then slowly', async () => {
    await using fleet = await startFleet({ bootDelayMs: 7000 })
    await fleet.clock.advance(30_000)
    fleet.provisioner.request(1, { reason: 'test' })
    expect(await starts(fleet, 120_000)).toEqual([0, 500, 1500, 3500, 5500, 7500, 67_500])
  })

  it('costs a busy fleet few calls, whatever happens in it', async () => {
    await using fleet = await startFleet({ maxSize: 1000 })
    const [busy] = await fleet.launch(1)
    await fleet.clock.advance(60_000)
    fleet.busy.add(busy!)
    await fleet.provisioner.connect(busy!, 0, never)
    expect((await starts(fleet, 600_000)).length).toBeLessThanOrEqual(121)
    const before = fleet.calls('list').length
    for (let second = 0; second < 60; second += 1) {
      fleet.provisioner.request(1, { reason: 'test' })
      await fleet.clock.advance(1000)
    }
    expect(fleet.calls('list').length - before).toBeLessThan(60)
  })
})

it('does not mind a wall clock that jumps', async () => {
  await using fleet = await startFleet({ bootDelayMs: 3000 })
  await using twin = await startFleet({ bootDelayMs: 3000 })
  for (const { provisioner } of [fleet, twin]) provisioner.request(2, { reason: 'test' })
  for (const ms of [-86_400_000, 3_600_000, 0, 7]) {
    fleet.clock.jumpWallTime(ms)
    await Promise.all([fleet.clock.advance(40_000), twin.clock.advance(40_000)])
  }
  const timeline = ({ group }: MemoryFleet) => group.calls.map(({ operation, at }) => `${operation} ${at}`)
  expect(timeline(fleet)).toEqual(timeline(twin))
})

it('measures the right intervals', async () => {
  const observed: string[] = []
  const note = (name: string) => (ms?: number) =>
    observed.push(ms === undefined ? name : `${name} ${Math.round(ms / 1000)}`)
  const observer: ProvisionerObserver = {
    creationTime: note('creation'),
    runningTime: note('running'),
    deletionTime: note('deletion'),
    lifeDuration: note('life'),
    missedUpdate: note('missed'),
    instanceLost: note('lost'),
    instanceOperation: (operation) => observed.push(operation),
  }
  await using fleet = await startFleet({
    appearDelayMs: 3000,
    bootDelayMs: 10_000,
    deleteDelayMs: 5000,
    provisioner: { observer },
  })
  fleet.provisioner.request(2, { reason: 'test' })
  await fleet.clock.advance(20_000)
  expect(observed).toEqual(['create', 'creation 4', 'create', 'creation 4', 'running 14', 'running 14'])
  observed.length = 0
  const [first, second] = fleet.ids
  fleet.group.setState(first!, 'creating')
  await fleet.clock.advance(60_000)
  fleet.group.setState(first!, 'running')
  await fleet.clock.advance(4000)
  fleet.provisioner.remove([first!], 'test')
  await fleet.clock.advance(10_000)
  fleet.group.preempt(second!)
  await fleet.clock.advance(61_000)
  expect(observed).toEqual(['delete', 'life 86', 'deletion 6', 'missed', 'delete', 'life 146', 'lost'])
})
