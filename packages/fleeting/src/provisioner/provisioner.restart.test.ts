import { describe, expect, it, vi } from 'vitest'
import { type FleetOptions, MemoryFleet, never } from '../../test/memory-fleet.ts'
import { MemoryStateStore } from '../state/memory-state-store.ts'
import { FencedError, type FleetLease } from '../state/state-store.ts'
import { isUsable } from './instances/instance.ts'
import type { ProvisionerOptions, UsageRecords } from './options.ts'
import { Provisioner } from './provisioner.ts'

/** A fleet whose state outlives its provisioners. */
class DurableFleet {
  readonly store = new MemoryStateStore()
  readonly fleet: MemoryFleet
  lease!: FleetLease

  constructor(options: FleetOptions = {}) {
    this.fleet = new MemoryFleet(options)
  }

  /** A new process; the one before is dead, or does not know yet that it is over. */
  async start(options: Partial<ProvisionerOptions> = {}): Promise<Provisioner> {
    const { group, clock, busy } = this.fleet
    this.lease = await this.store.lease('test', { takeover: true })
    // The group outlives the manager here, and so does the manager that is told nothing: it is fenced.
    const starting = Provisioner.start(
      { group, clock, lease: this.lease, isBusy: (id) => busy.has(id), ...options },
      never,
    )
    this.fleet.provisioner = await starting
    return this.fleet.provisioner
  }
}

describe('a new process on the state of an earlier one', () => {
  it('adopts its instances and no others, each since it was first seen', async () => {
    const durable = new DurableFleet()
    const { fleet } = durable
    const first = fleet.group.addForeign()
    await durable.start()
    const [second] = await fleet.launch(1)
    const seenAt = fleet.provisioner.instances().get(second!)!.seenAt
    const stranger = fleet.group.addForeign()
    await fleet.clock.advance(60_000)
    expect(fleet.provisioner.instances().get(stranger)).toMatchObject({ cause: 'unexpected' })
    const late = fleet.group.addForeign()
    await durable.start()
    await using _ = fleet
    const causes = Object.fromEntries(fleet.instances.map(({ id, cause }) => [id, cause]))
    expect(causes).toEqual({
      [first]: 'adopted',
      [second!]: 'requested',
      [stranger]: 'unexpected',
      [late]: 'unexpected',
    })
    expect(fleet.provisioner.instances().get(second!)).toMatchObject({ seenAt, state: 'running' })
  })

  it('knows an instance whose record could not be written at first', async () => {
    let appearMs = 0
    const durable = new DurableFleet({ appearDelayMs: () => (appearMs += 3_000) })
    const { fleet } = durable
    await durable.start()
    const write = durable.lease.write.bind(durable.lease)
    let failures = 0
    vi.spyOn(durable.lease, 'write').mockImplementation((changes) =>
      failures === 0 && changes.some(({ kind }) => kind === 'instance')
        ? Promise.reject(new Error(`full ${++failures}`))
        : write(changes),
    )
    await fleet.launch(2)
    expect(failures).toBe(1)
    await durable.start()
    await using _ = fleet
    expect(fleet.instances.map(({ cause }) => cause)).toEqual(['requested', 'requested'])
  })

  it('knows at once that machines tell their launches: a stranger is not taken for the one that is awaited', async () => {
    const durable = new DurableFleet({ tells: { ids: false, tokens: true }, bootDelayMs: 0, appearDelayMs: 3_000 })
    const { fleet } = durable
    await durable.start()
    await fleet.launch(1)
    await durable.start()
    await using _ = fleet
    fleet.provisioner.request(1, { reason: 'test' })
    await fleet.clock.advance(1_000)
    const stranger = fleet.group.addForeign()
    await fleet.clock.advance(1_500)
    expect(fleet.provisioner.instances().get(stranger)).toMatchObject({ cause: 'unexpected' })
    expect(fleet.provisioner.launchState().outstanding).toMatchObject([{ count: 1 }])
    await fleet.clock.advance(10_000)
    expect(fleet.provisioner.launchState()).toMatchObject({ outstanding: [], known: 3 })
  })

  it('knows it from the process before where none of its machines is left', async () => {
    const durable = new DurableFleet({ tells: { ids: false, tokens: true }, bootDelayMs: 0, appearDelayMs: 3_000 })
    const { fleet } = durable
    await durable.start()
    const [id] = await fleet.launch(1)
    fleet.provisioner.remove([id!], 'test')
    await fleet.clock.advance(60_000)
    expect(fleet.group.ids).toEqual([])
    await durable.start()
    await using _ = fleet
    fleet.provisioner.request(1, { reason: 'test' })
    await fleet.clock.advance(1_000)
    const stranger = fleet.group.addForeign()
    await fleet.clock.advance(1_500)
    expect(fleet.provisioner.instances().get(stranger)).toMatchObject({ cause: 'unexpected' })
    await fleet.clock.advance(10_000)
    expect(fleet.provisioner.launchState()).toMatchObject({ outstanding: [], known: 2 })
  })

  it('removes one that comes back after it was removed, though it is told of strangers only', async () => {
    const durable = new DurableFleet({ tells: { ids: false, tokens: true }, bootDelayMs: 0 })
    const { fleet } = durable
    await durable.start()
    const [id] = await fleet.launch(1)
    const list = fleet.group.list.bind(fleet.group)
    // Lists leave it out, and its delete has no effect.
    const hidden = vi
      .spyOn(fleet.group, 'list')
      .mockImplementation(async (signal) => (await list(signal)).filter((row) => row.id !== id))
    vi.spyOn(fleet.group, 'decrease').mockImplementationOnce(async (ids) => ({ accepted: ids }))
    fleet.provisioner.remove([id!], 'test')
    await fleet.clock.advance(60_000)
    await durable.start()
    await using _ = fleet
    expect(fleet.provisioner.instances().size).toBe(0)
    const stranger = fleet.group.addForeign()
    hidden.mockRestore()
    await fleet.clock.advance(60_000)
    expect(fleet.group.ids).toEqual([stranger])
    expect(fleet.provisioner.instances().get(stranger)).toMatchObject({ cause: 'unexpected' })
  })

  it('writes no launch down as ended without the instances that it brought, wherever the process before was killed', async () => {
    let finished = false
    for (let written = 0; !finished; written += 1) {
      const durable = new DurableFleet({ tells: { ids: true, tokens: true }, appearDelayMs: 3_000 })
      const { fleet } = durable
      const first = await durable.start()
      first.request(1, { reason: 'test' })
      first.request(2, { reason: 'test' })
      await fleet.clock.advance(1_000)
      await first.shutdown({ removeInstances: false })
      // They appear while nobody looks. The second process is killed once it has written so many times.
      await fleet.clock.advance(10_000)
      const leaseOf = durable.store.lease.bind(durable.store)
      let writes = 0
      vi.spyOn(durable.store, 'lease').mockImplementationOnce(async (...args) => {
        const lease = await leaseOf(...args)
        const write = lease.write.bind(lease)
        vi.spyOn(lease, 'write').mockImplementation((changes) =>
          writes++ < written ? write(changes) : new Promise(() => {}),
        )
        return lease
      })
      await durable.start()
      await fleet.clock.advance(0)
      finished = writes <= written
      await durable.start()
      await using _ = fleet
      expect(
        fleet.instances.map(({ cause }) => cause),
        `after ${written} writes`,
      ).toEqual(['requested', 'requested', 'requested'])
    }
  })

  it('removes what comes back that the process before had given up', async () => {
    const durable = new DurableFleet({ connectable: false, tells: { byId: false } })
    const { fleet } = durable
    await durable.start({ unknownInstances: 'report' })
    await fleet.launch(1)
    const list = vi.spyOn(fleet.group, 'list').mockResolvedValue([])
    await fleet.clock.advance(90_000)
    expect(fleet.ids).toEqual([])
    await durable.start({ unknownInstances: 'report' })
    await using _ = fleet
    expect(fleet.ids).toEqual([])
    list.mockRestore()
    await fleet.clock.advance(60_000)
    expect(fleet.group.ids).toEqual([])
    await fleet.clock.advance(60_000)
    expect(await durable.lease.load(['instance', 'removal'])).toEqual([])
  })

  it('takes no stranger for its own that was lost, and comes back', async () => {
    const durable = new DurableFleet({ connectable: false, tells: { byId: false } })
    const { fleet } = durable
    await durable.start()
    const stranger = fleet.group.addForeign()
    await fleet.clock.advance(60_000)
    const list = vi.spyOn(fleet.group, 'list').mockResolvedValue([])
    await fleet.clock.advance(90_000)
    expect(fleet.ids).toEqual([])
    await durable.start()
    await using _ = fleet
    list.mockRestore()
    await fleet.clock.advance(60_000)
    expect(fleet.instances).toMatchObject([{ id: stranger, cause: 'unexpected' }])
    expect(fleet.group.ids).toEqual([stranger])
  })

  it('removes what had come back after it was lost: something of its last job may still run there', async () => {
    const durable = new DurableFleet({ connectable: false, tells: { byId: false } })
    const { fleet } = durable
    await durable.start()
    const [id] = await fleet.launch(1)
    const list = vi.spyOn(fleet.group, 'list').mockResolvedValue([])
    await fleet.clock.advance(90_000)
    expect(fleet.ids).toEqual([])
    // The process dies after it has seen the instance again, and before it can say that it removes it.
    const { lease } = durable
    const write = lease.write.bind(lease)
    vi.spyOn(lease, 'write').mockImplementation((changes) =>
      changes.length > 0 && changes.every(({ kind }) => kind === 'removal') ? new Promise(() => {}) : write(changes),
    )
    list.mockRestore()
    await fleet.clock.advance(60_000)
    expect(fleet.group.ids).toEqual([id])
    await durable.start()
    await using _ = fleet
    expect(fleet.instances).toMatchObject([{ id, removal: { reason: 'came back after it was lost' } }])
    await fleet.clock.advance(10_000)
    expect(fleet.group.ids).toEqual([])
  })

  it('takes the one before out of action at once', async () => {
    const durable = new DurableFleet()
    const { fleet } = durable
    const before = await durable.start()
    const [id] = await fleet.launch(1)
    await durable.start()
    await using _ = fleet
    expect(before.fenced).toMatchObject({ code: 'fenced' })
    expect(before.remove([id!], 'idle')).toEqual([])
    expect(before.request(1, { reason: 'test' })).toBe(0)
    // The instance is as good as before, so nobody need take another one.
    await expect(before.connect(id!, 0, never)).rejects.toMatchObject({ code: 'transient' })
  })

  it('launches and deletes nothing after it stood still while another took the fleet', async () => {
    const durable = new DurableFleet({ maxSize: 3 })
    const { fleet } = durable
    const before = await durable.start()
    const [id] = await fleet.launch(1)
    const { lease } = durable
    const write = lease.write.bind(lease)
    // The intent is kept, and then it stands still, without a word of what happens meanwhile.
    vi.spyOn(lease, 'write').mockImplementation(async (changes) => {
      await write(changes)
      await new Promise<void>((resolve) => fleet.clock.after(10_000, resolve))
    })
    before.request(1, { reason: 'test' })
    before.remove([id!], 'test')
    await fleet.clock.advance(5_000)
    const calls = fleet.calls('increase').length
    vi.spyOn(lease, 'write').mockImplementation(() => Promise.reject(new FencedError('test', 1)))
    await fleet.clock.advance(5_000)
    await using _ = fleet
    expect(fleet.calls('increase')).toHaveLength(calls)
    expect(fleet.calls('decrease')).toEqual([])
    expect(before.fenced).toMatchObject({ code: 'fenced' })
  })

  for (const tells of [
    { ids: false, tokens: true },
    { ids: false, tokens: false },
    { ids: true, tokens: true },
  ]) {
    it(`recognises what came of a launch whose answer it never had: ${JSON.stringify(tells)}`, async () => {
      const durable = new DurableFleet({ tells, appearDelayMs: 3_000 })
      const { fleet } = durable
      const before = await durable.start()
      vi.spyOn(fleet.group, 'increase').mockImplementationOnce(async (request, signal) => {
        vi.restoreAllMocks()
        await fleet.group.increase(request, signal)
        return new Promise(() => {})
      })
      before.request(2, { reason: 'test' })
      await fleet.clock.advance(1_000)
      await durable.start()
      await using _ = fleet
      expect(fleet.provisioner.launchState().outstanding).toMatchObject([{ count: 2 }])
      await fleet.clock.advance(20_000)
      expect(fleet.instances.map(({ cause }) => cause)).toEqual(['requested', 'requested'])
      expect(fleet.provisioner.launchState().outstanding).toEqual([])
      // Asked again under its token, it launches nothing twice.
      expect(new Set(fleet.calls('increase').map(({ request }) => request?.launchToken)).size).toBe(1)
      expect(fleet.group.ids).toHaveLength(2)
      expect(await durable.lease.load(['launch'])).toEqual([])
    })
  }

  it('recognises it also when the first list shows it already, and awaits only the rest of what was seen in part', async () => {
    const durable = new DurableFleet({ tells: { ids: false, tokens: false, idempotent: false } })
    const { fleet } = durable
    await durable.start()
    await durable.lease.write([{ kind: 'launch', key: 'l1', value: { count: 2, reason: 'test', atWallTime: 0 } }])
    await fleet.group.increase({ count: 1, launchToken: 'l1' }, never)
    await durable.start()
    expect(fleet.instances).toMatchObject([{ cause: 'requested' }])
    await fleet.clock.advance(0)
    await durable.start()
    await using _ = fleet
    expect(fleet.provisioner.launchState().outstanding).toMatchObject([{ launchToken: 'l1', count: 1 }])
  })

  it.each([
    [
      'asks again, under the same token, for a launch that was announced and never sent, where the cloud knows tokens',
      {},
      1,
    ],
    [
      'gives up a launch that was announced and never sent with the first list that would show it',
      { idempotent: false },
      0,
    ],
    ['gives it up so where neither ids nor tokens are told', { ids: false, tokens: false, idempotent: false }, 0],
  ])('%s', async (_, tells, made) => {
    const durable = new DurableFleet({ tells, maxSize: 1 })
    const { fleet } = durable
    await durable.start()
    await durable.lease.write([{ kind: 'launch', key: 'l1', value: { count: 1, reason: 'test', atWallTime: 0 } }])
    await durable.start()
    await using _fleet = fleet
    expect(fleet.provisioner.launchState().outstanding).toMatchObject([
      { launchToken: 'l1', isUnconfirmed: true, reason: 'requested by an earlier process; not confirmed' },
    ])
    expect(fleet.provisioner.request(1, { reason: 'test' })).toBe(0)
    await fleet.clock.advance(made === 1 ? 1_000 : 14_000)
    expect(fleet.provisioner.launchState().outstanding).toEqual([])
    expect(fleet.provisioner.launchState().backoffs).toEqual([])
    expect(fleet.calls('increase').map(({ request }) => request?.launchToken)).toEqual(made === 1 ? ['l1'] : [])
    expect(fleet.group.ids).toHaveLength(made)
    expect(fleet.provisioner.request(1, { reason: 'test' })).toBe(1 - made)
    await fleet.clock.advance(10_000)
    expect(fleet.group.ids).toHaveLength(1)
    expect(await durable.lease.load(['launch'])).toEqual([])
  })

  it('learns from the cloud how much of a launch was made when the earlier process was killed in the middle of it', async () => {
    const durable = new DurableFleet({ maxSize: 4, appearDelayMs: 2_000 })
    const { fleet } = durable
    await durable.start()
    await durable.lease.write([{ kind: 'launch', key: 'l1', value: { count: 3, reason: 'test', atWallTime: 0 } }])
    await fleet.group.increase({ count: 1, launchToken: 'l1' }, never)
    await fleet.clock.advance(2_000)
    await durable.start()
    await using _ = fleet
    await fleet.clock.advance(5_000)
    expect(fleet.instances.map(({ cause }) => cause)).toEqual(['requested'])
    expect(fleet.provisioner.launchState().outstanding).toEqual([])
  })

  it('asks for nothing again where more was announced than there may be', async () => {
    const durable = new DurableFleet({ maxSize: 2 })
    const { fleet } = durable
    await durable.start()
    const launch = { count: 2, reason: 'test', atWallTime: 0 }
    // Of the first the announcement was kept, and said to have failed; that it was withdrawn was not kept.
    for (const key of ['l1', 'l2']) await durable.lease.write([{ kind: 'launch', key, value: launch }])
    await fleet.group.increase({ count: 1, launchToken: 'l2' }, never)
    await durable.start()
    await using _ = fleet
    await fleet.clock.advance(14_000)
    expect(fleet.instances.map(({ cause }) => cause)).toEqual(['requested'])
    expect(fleet.provisioner.launchState().outstanding).toEqual([])
    expect(await durable.lease.load(['launch'])).toEqual([])
    expect(fleet.provisioner.request(2, { reason: 'test' })).toBe(1)
  })

  it('awaits a launch that the cloud had accepted, and does not ask for it again', async () => {
    const durable = new DurableFleet({ tells: { ids: false }, appearDelayMs: 300_000 })
    const { fleet } = durable
    const before = await durable.start()
    before.request(2, { reason: 'test' })
    await fleet.clock.advance(1_000)
    await durable.start()
    await using _ = fleet
    await fleet.clock.advance(200_000)
    expect(fleet.provisioner.launchState().outstanding).toMatchObject([
      { count: 2, phase: 'accepted', reason: 'requested by an earlier process' },
    ])
    await fleet.clock.advance(120_000)
    expect(fleet.instances.map(({ cause }) => cause)).toEqual(['requested', 'requested'])
    expect(fleet.calls('increase')).toHaveLength(1)
  })

  it('knows what comes late of a launch that it gave up', async () => {
    const durable = new DurableFleet({ tells: { ids: false, tokens: false, idempotent: false }, appearDelayMs: 40_000 })
    const { fleet } = durable
    await durable.start()
    await durable.lease.write([{ kind: 'launch', key: 'l1', value: { count: 1, reason: 'test', atWallTime: 0 } }])
    await fleet.group.increase({ count: 1, launchToken: 'l1' }, never)
    await durable.start()
    await using _ = fleet
    await fleet.clock.advance(20_000)
    expect(fleet.provisioner.launchState().outstanding).toEqual([])
    await fleet.clock.advance(120_000)
    expect(fleet.instances.map(({ cause }) => cause)).toEqual(['requested'])
  })

  it('gives up what it had only when it is known to be gone', async () => {
    const durable = new DurableFleet()
    const { fleet } = durable
    await durable.start()
    const [id] = await fleet.launch(1)
    vi.spyOn(fleet.group, 'list').mockResolvedValueOnce([])
    await durable.start()
    await using _ = fleet
    expect(fleet.provisioner.instances().get(id!)).toMatchObject({ missed: true, healthy: false })
    await fleet.clock.advance(2_000)
    expect(fleet.provisioner.instances().get(id!)).toMatchObject({ missed: false, state: 'running' })
    fleet.group.preempt(id!)
    await fleet.clock.advance(120_000)
    expect(fleet.instances).toEqual([])
    expect(await durable.lease.load(['use'])).toEqual([])
    // Until then it may come back.
    await fleet.clock.advance(600_000)
    expect(await durable.lease.load(['instance', 'use'])).toEqual([])
  })

  it('removes nothing that an acquisition of the earlier process holds, until somebody who knows has taken that over', async () => {
    const durable = new DurableFleet()
    const { fleet } = durable
    await durable.start()
    const [held, doomed] = await fleet.launch(2)
    const use = { kind: 'acquisition', key: 'a-1', value: { instanceId: held!, slot: 0 } } as const
    await durable.lease.write([
      use,
      ...[held!, doomed!].map((key) => ({ kind: 'removal', key, value: { reason: 'idle' } }) as const),
    ])
    const usage: UsageRecords = {
      kinds: ['acquisition'],
      ofInstance: 'use',
      busy: (records) => records.map(({ value }) => (value as { readonly instanceId: string }).instanceId),
    }
    const provisioner = await durable.start({ usage })
    await using _ = fleet
    await fleet.clock.advance(60_000)
    expect(fleet.group.ids).toEqual([held])
    expect(provisioner.remove([held!], 'idle')).toEqual([])
    expect(provisioner.takeUsage()).toEqual([use])
    expect(provisioner.takeUsage()).toEqual([])
    expect(provisioner.remove([held!], 'idle')).toEqual([held])
    await fleet.clock.advance(60_000)
    expect(fleet.group.ids).toEqual([])
  })

  it('proves that it still has the fleet before it deletes again', async () => {
    const durable = new DurableFleet()
    const { fleet } = durable
    const before = await durable.start()
    const [id] = await fleet.launch(1)
    fleet.group.deletesIgnored = 1
    before.remove([id!], 'idle')
    await fleet.clock.advance(1_000)
    expect(fleet.calls('decrease')).toHaveLength(1)
    // It is not told, as a process that was stopped in between would not be.
    const write = vi.spyOn(durable.lease, 'write')
    await fleet.clock.advance(120_000)
    await using _ = fleet
    expect(write.mock.calls.some(([changes]) => changes.length === 0)).toBe(true)
  })
})

describe('instances that nobody here requested', () => {
  const withStranger = async (options: Partial<ProvisionerOptions>) => {
    const warnings: unknown[] = []
    const logger = { debug() {}, info() {}, error() {}, warn: (_: object, message: string) => warnings.push(message) }
    const durable = new DurableFleet()
    const { fleet } = durable
    await durable.start({ logger, ...options })
    const stranger = fleet.group.addForeign()
    await fleet.clock.advance(60_000)
    return { fleet, stranger, warnings }
  }

  it('are left alone by default, and reported: no work, no removal, not even when they fail or at the end', async () => {
    const { fleet, stranger, warnings } = await withStranger({ maxInstances: 1 })
    expect(warnings).toEqual([expect.stringContaining('unknown_instances')])
    expect(isUsable(fleet.instances[0]!)).toBe(false)
    expect(fleet.provisioner.request(1, { reason: 'test' })).toBe(0)
    fleet.group.setState(stranger, 'failed')
    await fleet.clock.advance(3_600_000)
    const ending = fleet.provisioner.shutdown({ removeInstances: true })
    await fleet.clock.advance(60_000)
    expect(await ending).toEqual({ remaining: [] })
    expect(fleet.group.ids).toEqual([stranger])
  })

  it('are left without a word with `leave`', async () => {
    const { fleet, stranger, warnings } = await withStranger({ unknownInstances: 'leave' })
    await using _ = fleet
    expect(warnings).toEqual([])
    expect(fleet.group.ids).toEqual([stranger])
  })

  it('are removed with `remove`, unless they are in use', async () => {
    const { fleet, warnings } = await withStranger({ unknownInstances: 'remove' })
    await using _ = fleet
    expect(warnings).toHaveLength(1)
    expect(fleet.group.ids).toEqual([])
  })
})
