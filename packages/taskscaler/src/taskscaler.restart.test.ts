import { Provisioner } from '@runner-core/fleeting/provisioner'
import { type FleetLease, MemoryStateStore, StateError } from '@runner-core/fleeting/state'
import { ManualClock, MemoryGroup, simpleShell } from '@runner-core/fleeting/testing'
import { policy } from '@runner-core/testkit/scaler/rig'
import { describe, expect, it, vi } from 'vitest'
import {
  type Acquisition,
  NoCapacityError,
  Taskscaler,
  type TaskscalerOptions,
  usageRecords,
  type WarmUp,
} from './index.ts'

type Options = Partial<Omit<TaskscalerOptions, 'provisioner' | 'clock'>>

/** A cloud and a disk that outlive the processes on them. */
class Machine {
  readonly clock = new ManualClock()
  readonly group = new MemoryGroup({ clock: this.clock, shell: simpleShell, bootDelayMs: 30_000, deleteDelayMs: 5_000 })
  readonly store = new MemoryStateStore()
  lease!: FleetLease

  /** A new process. The one before was killed, which here means that it is fenced and heard of no more. */
  async start(options: Options = {}): Promise<Taskscaler> {
    const { clock, group } = this
    this.lease = await this.store.lease('test', { takeover: true })
    const starting = Provisioner.start(
      { group, clock, maxInstances: 10, lease: this.lease, usage: usageRecords },
      new AbortController().signal,
    )
    await clock.advance(0)
    const scaler = await Taskscaler.start({
      policies: [policy],
      onDispose: 'keep-instances',
      ...options,
      provisioner: await starting,
      clock,
    })
    await clock.advance(0)
    return scaler
  }

  async acquire(scaler: Taskscaler, key?: string): Promise<Acquisition> {
    const acquiring = scaler.acquire(scaler.reserve(key === undefined ? {} : { key }))
    await this.clock.advance(40_000)
    return acquiring
  }
}

describe('a new process on the state of an earlier one', () => {
  it('leaves each slot that was lent with its job, until somebody claims it and releases it', async () => {
    const machine = new Machine()
    const before = await machine.start({ capacityPerInstance: 2 })
    const job = await machine.acquire(before, 'job-1')
    await machine.acquire(before, 'job-2')
    expect(machine.group.ids).toHaveLength(1)

    const after = await machine.start({ capacityPerInstance: 2 })
    expect(after.restored()).toEqual([
      { key: 'job-1', instanceId: job.instanceId, slot: 0, useCount: 1 },
      { key: 'job-2', instanceId: job.instanceId, slot: 1, useCount: 2 },
    ])
    expect(after.status().tasks).toMatchObject({ acquired: 2, idle: 0 })
    await machine.clock.advance(3_600_000)
    expect(machine.group.ids).toEqual([job.instanceId])

    const claimed = after.claimRestored('job-1')!
    expect(claimed).toMatchObject({ key: 'job-1', instanceId: job.instanceId, slot: 0, useCount: 1 })
    expect(after.claimRestored('job-1')).toBeUndefined()
    expect((await claimed.connect()).ended).toBeUndefined()
    after.release(claimed)
    const next = await after.acquire(after.reserve())
    expect(next).toMatchObject({ instanceId: job.instanceId, slot: 0, useCount: 3 })
    expect((await machine.lease.load(['acquisition'])).map(({ key }) => key).sort()).toEqual([next.key, 'job-2'].sort())
  })

  it('lists instances that are ready, those that an earlier process had proven and condemned ones too', async () => {
    const machine = new Machine()
    let prove = (): void => {}
    const readyCheck = (): Promise<void> =>
      new Promise((resolve) => {
        prove = resolve
      })
    const before = await machine.start({ readyCheck })
    const acquiring = before.acquire(before.reserve())
    await machine.clock.advance(40_000)
    expect([before.snapshot().supply, before.readyInstances()]).toMatchObject([{ available: 0 }, []])
    prove()
    await machine.clock.advance(0)
    const job = await acquiring
    expect(before.readyInstances()).toEqual([job.instanceId])
    const after = await machine.start()
    const claimed = after.claimRestored(job.key)!
    claimed.condemn('a test says so')
    expect(after.readyInstances()).toEqual([job.instanceId])
    after.release(claimed)
    await machine.clock.advance(100)
    expect(machine.group.ids).toEqual([job.instanceId])
    expect(after.readyInstances()).toEqual([])
  })

  it('warms instances that had jobs again beside them, and lends from them as before', async () => {
    const machine = new Machine()
    const warmed: string[] = []
    const warmUp: WarmUp = {
      title: 'pulling ruby',
      run: async ({ id }, _connection, { has, signal }) => {
        warmed.push(id)
        has('ruby')
        return await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
    }
    const before = await machine.start({ capacityPerInstance: 2 })
    const job = await machine.acquire(before)
    const after = await machine.start({ capacityPerInstance: 2, warmUp })
    expect(warmed).toEqual([job.instanceId])
    expect(after.snapshot().supply).toMatchObject({ available: 1 })
    expect(after.snapshot().supply).not.toHaveProperty('warming')
    const next = await after.acquire(after.reserve(), { content: 'ruby' })
    expect(next.instanceId).toBe(job.instanceId)
  })

  it('starts on no provisioner that has a lease and does not read what is lent', async () => {
    const { clock, group, store } = new Machine()
    const starting = Provisioner.start({ group, clock, lease: await store.lease('test') }, new AbortController().signal)
    await clock.advance(0)
    await using provisioner = await starting
    const scaler = Taskscaler.start({ policies: [policy], onDispose: 'keep-instances', clock, provisioner })
    await expect(scaler).rejects.toThrow('usage: usageRecords')
  })

  it('changes nothing where a newer version kept what is lent', async () => {
    const { clock, group, store } = new Machine()
    const lease = await store.lease('test')
    await lease.write([{ kind: 'version', key: 'taskscaler', value: 2 }])
    const starting = Provisioner.start({ group, clock, lease, usage: usageRecords }, new AbortController().signal)
    await expect(starting).rejects.toMatchObject({ code: 'newer_schema' })
    expect(await lease.load()).toHaveLength(1)
  })

  it('gives the names of its own to reservations', async () => {
    const machine = new Machine()
    const keys = new Set<string>()
    for (let process = 0; process < 3; process++) keys.add((await machine.acquire(await machine.start())).key)
    expect(keys.size).toBe(3)
    expect(await machine.lease.load(['acquisition'])).toHaveLength(3)
  })

  it('knows how often each instance was used, and removes one that is used up', async () => {
    const machine = new Machine()
    const before = await machine.start({ maxUseCount: 3 })
    for (let use = 0; use < 2; use++) before.release(await machine.acquire(before))
    const [id] = machine.group.ids
    const after = await machine.start({ maxUseCount: 3 })
    const last = await machine.acquire(after)
    expect(last).toMatchObject({ instanceId: id, useCount: 3 })
    const final = await machine.start({ maxUseCount: 3 })
    await machine.clock.advance(60_000)
    expect(machine.group.ids).toEqual([id])
    final.release(final.claimRestored(last.key)!)
    await machine.clock.advance(60_000)
    expect(machine.group.ids).not.toContain(id)
    expect(await machine.lease.load(['use', 'acquisition'])).toEqual([])
  })

  it('knows the label of each instance, whoever used it last', async () => {
    const machine = new Machine()
    const acquire = async (scaler: Taskscaler, label?: string): Promise<Acquisition> => {
      const acquiring = scaler.acquire(scaler.reserve(), { label })
      await machine.clock.advance(40_000)
      return acquiring
    }
    const before = await machine.start()
    const [a, b] = [await acquire(before, 'a'), await acquire(before, 'b')]
    before.release(a)
    const unlabelled = await acquire(before)
    expect(unlabelled.instanceId).toBe(a.instanceId)
    before.release(unlabelled)
    before.release(b)
    const after = await machine.start()
    expect((await acquire(after, 'a')).instanceId).toBe(a.instanceId)
    expect((await acquire(after, 'b')).instanceId).toBe(b.instanceId)
  })

  it('takes an instance of which an earlier version kept the use count alone for one without a label', async () => {
    const machine = new Machine()
    const before = await machine.start()
    const job = await machine.acquire(before)
    before.release(job)
    await machine.clock.advance(0)
    expect(await machine.lease.load(['use'])).toMatchObject([{ key: job.instanceId, value: 1 }])
    const after = await machine.start()
    expect(await after.acquire(after.reserve(), { label: 'a' })).toMatchObject({
      instanceId: job.instanceId,
      useCount: 2,
    })
    expect(await machine.lease.load(['use'])).toMatchObject([{ value: { useCount: 2, label: 'a' } }])
  })

  it('offers at once what did jobs before: nothing has to be proven again', async () => {
    const machine = new Machine()
    const before = await machine.start()
    before.release(await machine.acquire(before))
    const readyCheck = vi.fn(() => new Promise<never>(() => {}))
    const after = await machine.start({ readyCheck })
    expect(after.status().tasks.idle).toBe(1)
    expect(readyCheck).not.toHaveBeenCalled()
  })

  it('gives up, with its instance, what is dropped: something may still run there', async () => {
    const machine = new Machine()
    const job = await machine.acquire(await machine.start(), 'job-1')
    const after = await machine.start()
    after.dropRestored('job-1', 'its job cannot be resumed')
    after.dropRestored('job-1', 'twice')
    expect(after.status().tasks).toMatchObject({ acquired: 0, idle: 0 })
    await machine.clock.advance(60_000)
    expect(machine.group.ids).not.toContain(job.instanceId)
    expect(await machine.lease.load(['acquisition'])).toEqual([])
  })

  it('knows what was condemned: something of an earlier job may still run there', async () => {
    const machine = new Machine()
    const before = await machine.start({ capacityPerInstance: 2 })
    const [dirty, other] = [await machine.acquire(before, 'dirty'), await machine.acquire(before, 'other')]
    expect(dirty.instanceId).toBe(other.instanceId)
    dirty.condemn('left something')
    before.release(dirty)
    const after = await machine.start({ capacityPerInstance: 2 })
    expect(after.status().tasks).toMatchObject({ acquired: 1, idle: 0 })
    after.release(after.claimRestored('other')!)
    await machine.clock.advance(60_000)
    expect(machine.group.ids).not.toContain(dirty.instanceId)
    expect(await machine.lease.load(['use', 'acquisition'])).toEqual([])
  })

  it('tells whoever claims it that the instance was lost, before the start or after it', async () => {
    const machine = new Machine()
    const before = await machine.start()
    const [early, late] = [await machine.acquire(before, 'early'), await machine.acquire(before, 'late')]
    machine.group.preempt(early.instanceId)
    await machine.lease.write([{ kind: 'instance', key: early.instanceId, value: null }])
    const after = await machine.start()
    const claimed = after.claimRestored('early')!
    expect(claimed.signal.reason).toMatchObject({ code: 'instance_lost', instanceId: early.instanceId })
    await expect(claimed.connect()).rejects.toMatchObject({ code: 'instance_lost' })
    after.release(claimed)
    machine.group.preempt(late.instanceId)
    await machine.clock.advance(120_000)
    expect(after.restored()).toHaveLength(1)
    expect(after.claimRestored('late')!.signal.aborted).toBe(true)
    expect(await machine.lease.load(['acquisition', 'use'])).toEqual([])
  })

  it('takes slots beyond a capacity that has become smaller', async () => {
    const machine = new Machine()
    const before = await machine.start({ capacityPerInstance: 3 })
    for (const key of ['a', 'b', 'c']) await machine.acquire(before, key)
    const after = await machine.start({ capacityPerInstance: 1 })
    expect(after.status().tasks).toMatchObject({ acquired: 3, idle: 0 })
    for (const key of ['a', 'b', 'c']) after.release(after.claimRestored(key)!)
    expect(after.status().tasks).toMatchObject({ acquired: 0, idle: 1 })
    expect((await after.acquire(after.reserve())).slot).toBe(0)
  })

  it('takes the last of two loans of one slot for the true one: the end of the other was not kept', async () => {
    const machine = new Machine()
    const before = await machine.start()
    const first = await machine.acquire(before, 'first')
    before.release(first)
    await before.acquire(before.reserve({ key: 'second' }))
    const { instanceId, slot, useCount } = first
    await machine.lease.write([{ kind: 'acquisition', key: 'first', value: { instanceId, slot, useCount } }])
    expect(await machine.lease.load(['acquisition'])).toHaveLength(2)

    const after = await machine.start()
    expect(after.restored()).toMatchObject([{ key: 'second', slot: 0, useCount: 2 }])
    expect(after.status().tasks).toMatchObject({ acquired: 1, idle: 0 })
    after.release(after.claimRestored('second')!)
    expect(after.status().tasks).toMatchObject({ acquired: 0, idle: 1 })
    await machine.clock.advance(0)
    expect(await machine.lease.load(['acquisition'])).toEqual([])
  })

  it('counts jobs that were promised a slot as demand for a minute', async () => {
    const machine = new Machine()
    const before = await machine.start()
    before.reserve()
    await machine.clock.advance(2_000)
    const after = await machine.start()
    expect(after.snapshot().demand.queued).toEqual([{ source: 'before the restart', depth: 1 }])
    await machine.clock.advance(61_000)
    expect(after.snapshot().demand.queued).toEqual([{ source: 'before the restart', depth: 0 }])
  })

  it('counts none of them twice: not once it waits here', async () => {
    const machine = new Machine()
    const before = await machine.start()
    before.reserve()
    await machine.clock.advance(2_000)
    const after = await machine.start()
    const waiting = after.acquire(after.reserve())
    expect(after.snapshot().demand).toMatchObject({ waiting: 1, queued: [{ source: 'before the restart', depth: 0 }] })
    await machine.clock.advance(120_000)
    await expect(waiting).resolves.toBeDefined()
  })

  it('reads nothing from records that have another form', async () => {
    const machine = new Machine()
    await machine.start()
    await machine.lease.write([
      { kind: 'acquisition', key: 'a', value: { instanceId: 5, slot: 0, useCount: 1 } },
      { kind: 'acquisition', key: 'b', value: { instanceId: 'i', slot: -1, useCount: 1 } },
      { kind: 'acquisition', key: 'c', value: 'text' },
      { kind: 'use', key: 'i', value: -3 },
      { kind: 'reservation', key: 'demand', value: { jobs: 'many', atWallTime: 1 } },
    ])
    const after = await machine.start()
    expect(after.restored()).toEqual([])
    expect(after.snapshot().demand.queued).toEqual([{ source: 'before the restart', depth: 0 }])
  })
})

describe('while state cannot be written', () => {
  const full = (): StateError => new StateError('disk_full', 'no room')

  it('a job that has a slot waits for it and is told why, and no other is promised one', async () => {
    const machine = new Machine()
    const scaler = await machine.start()
    scaler.release(await machine.acquire(scaler))
    const reservation = scaler.reserve()
    const write = vi.spyOn(machine.lease, 'write').mockRejectedValue(full())
    const onWait = vi.fn()
    let given: Acquisition | undefined
    void scaler.acquire(reservation, { onWait }).then((acquisition) => {
      given = acquisition
    })
    await machine.clock.advance(60_000)
    expect([given, onWait.mock.calls.length]).toEqual([undefined, 1])
    expect(scaler.explainWait(reservation)).toMatch(
      /^a slot of instance \S+ is handed out once state can be written: .*no room/,
    )
    expect(() => scaler.reserve()).toThrow(
      expect.objectContaining({ reason: 'state', message: expect.stringContaining('no room') }),
    )
    write.mockRestore()
    await machine.clock.advance(6_000)
    expect(given).toMatchObject({ slot: 0 })
    expect(await machine.lease.load(['acquisition'])).toMatchObject([{ key: given!.key }])
    expect(() => scaler.reserve()).not.toThrow()
  })

  it('a job whose instance is lost meanwhile waits no longer for it', async () => {
    const machine = new Machine()
    const scaler = await machine.start()
    scaler.release(await machine.acquire(scaler))
    const reservation = scaler.reserve()
    vi.spyOn(machine.lease, 'write').mockRejectedValue(full())
    let given: Acquisition | undefined
    void scaler.acquire(reservation).then((acquisition) => {
      given = acquisition
    })
    await machine.clock.advance(1_000)
    expect(given).toBeUndefined()
    machine.group.preempt([...machine.group.ids][0]!)
    await machine.clock.advance(120_000)
    expect(given?.signal.aborted).toBe(true)
    await expect(given!.connect()).rejects.toMatchObject({ code: 'instance_lost' })
  })

  it('a job that stops waiting leaves nothing behind, and so does a scaler that is shut down', async () => {
    const machine = new Machine()
    const scaler = await machine.start({ capacityPerInstance: 2 })
    scaler.release(await machine.acquire(scaler))
    const [one, other] = [scaler.reserve(), scaler.reserve()]
    const write = vi.spyOn(machine.lease, 'write').mockRejectedValue(full())
    const abort = new AbortController()
    const waits = Promise.allSettled([scaler.acquire(one, { signal: abort.signal }), scaler.acquire(other)])
    await machine.clock.advance(1_000)
    abort.abort(new Error('cancelled'))
    await machine.clock.advance(1_000)
    expect(scaler.status().tasks).toMatchObject({ acquired: 1, idle: 1 })
    const down = scaler.shutdown({ removeInstances: false })
    write.mockRestore()
    await machine.clock.advance(6_000)
    await down
    expect(await waits).toMatchObject([
      { reason: { message: 'cancelled' } },
      { reason: { code: 'no_capacity', reason: 'shutdown' } },
    ])
    expect(await machine.lease.load(['acquisition'])).toEqual([])
  })

  it('the end of a loan and a condemnation are kept as soon as it can', async () => {
    const machine = new Machine()
    const scaler = await machine.start({ capacityPerInstance: 2 })
    const [dirty, other] = [await machine.acquire(scaler, 'dirty'), await machine.acquire(scaler, 'other')]
    const write = vi.spyOn(machine.lease, 'write').mockRejectedValue(full())
    scaler.release(other)
    dirty.condemn('left something')
    await machine.clock.advance(12_000)
    write.mockRestore()
    await machine.clock.advance(6_000)
    expect(await machine.lease.load(['acquisition'])).toMatchObject([{ key: 'dirty' }])
    expect(await machine.lease.load(['use'])).toMatchObject([
      { value: { useCount: 2, condemnedFor: expect.stringContaining('left something') } },
    ])
  })

  it('a condemnation outlives a loan of the same instance that is kept after it', async () => {
    const machine = new Machine()
    const scaler = await machine.start({ capacityPerInstance: 2 })
    const dirty = await machine.acquire(scaler, 'dirty')
    const reservation = scaler.reserve()
    const write = vi.spyOn(machine.lease, 'write').mockRejectedValue(full())
    const acquiring = scaler.acquire(reservation)
    await machine.clock.advance(1_000)
    dirty.condemn('left something')
    write.mockRestore()
    await machine.clock.advance(6_000)
    await acquiring
    expect(await machine.lease.load(['use'])).toMatchObject([
      { value: { condemnedFor: expect.stringContaining('left something') } },
    ])
  })

  it('a process that lost the fleet lends nothing for good', async () => {
    const machine = new Machine()
    const before = await machine.start()
    before.release(await machine.acquire(before))
    const reservation = before.reserve()
    await machine.start()
    await expect(before.acquire(reservation)).rejects.toMatchObject({ code: 'fenced' })
    await machine.clock.advance(60_000)
    expect(() => before.reserve()).toThrow(NoCapacityError)
  })

  it('a slot is handed out only once that is kept', async () => {
    const machine = new Machine()
    const scaler = await machine.start()
    scaler.release(await machine.acquire(scaler))
    let isHandedOut = false
    let keep = (): void => {}
    const write = vi.spyOn(machine.lease, 'write').mockImplementation(
      () =>
        new Promise((resolve) => {
          keep = resolve
        }),
    )
    const acquiring = scaler.acquire(scaler.reserve()).then(() => {
      isHandedOut = true
    })
    await machine.clock.advance(1_000)
    expect([isHandedOut, scaler.status().tasks.acquired]).toEqual([false, 1])
    expect(write.mock.calls[0]![0].map(({ kind }) => kind)).toEqual(['acquisition', 'use'])
    keep()
    await acquiring
  })
})
