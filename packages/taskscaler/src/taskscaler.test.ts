import { ManualClock, MemoryGroup, simpleShell } from '@runner-core/fleeting/testing'
import { policy, Rig } from '@runner-core/testkit/scaler/rig'
import { describe, expect, test } from 'vitest'
import { InvalidSettingsError } from './invalid-settings.ts'
import { AlreadyEndedError, InstanceLostError, NoCapacityError } from './slots/acquisition.ts'
import { Taskscaler } from './taskscaler.ts'

describe('lending', () => {
  test('a job gets a slot of an instance made for it; the instance stays for idle_time and goes', async () => {
    const rig = await Rig.start()
    const { clock, group, scaler } = rig
    const job = rig.begin(scaler.reserve())
    await clock.advance(29_000)
    expect([group.ids.length, job]).toEqual([1, {}])
    await clock.advance(5_000)
    expect(job.acquisition).toMatchObject({ instanceId: group.ids[0], slot: 0, useCount: 1 })
    const connection = await job.acquisition!.connect()
    expect(await (await connection.exec('true')).closed).toEqual({ code: 0 })
    await clock.advance(3_600_000)
    expect(group.ids.length).toBe(1)
    scaler.release(job.acquisition!)
    await clock.advance(59_000)
    expect(group.ids.length).toBe(1)
    await clock.advance(10_000)
    expect(group.ids).toEqual([])
    expect(scaler.counters).toMatchObject({
      tasks: { reserve: 1, acquire: 1, release: 1, lost: 0 },
      scale: { up: 1, down: 1 },
    })
  })

  test('a job that is here gets the slot that a request which may come back empty holds', async () => {
    const rig = await Rig.start({ maxInstances: 1, policies: [{ ...policy, idleCount: 1 }] })
    await rig.clock.advance(60_000)
    const request = rig.scaler.reserve({ speculative: true })
    expect(request.kind).toBe('slot')
    expect(() => rig.scaler.reserve({ speculative: true })).toThrow(NoCapacityError)
    const job = rig.scaler.reserve()
    expect([job.kind, request.kind]).toEqual(['slot', 'promised'])
    expect(() => rig.scaler.reserve()).toThrow(NoCapacityError)
    expect((await rig.scaler.acquire(job)).slot).toBe(0)
  })

  test('a job that is here is promised the slot that is promised to a request which may come back empty', async () => {
    const rig = await Rig.start({ maxInstances: 1 })
    const request = rig.scaler.reserve({ speculative: true })
    expect(request.kind).toBe('promised')
    expect(() => rig.scaler.reserve({ speculative: true })).toThrow(NoCapacityError)
    const job = rig.scaler.acquire(rig.scaler.reserve())
    expect(() => rig.scaler.reserve()).toThrow(NoCapacityError)
    await rig.clock.advance(60_000)
    expect((await job).slot).toBe(0)
    expect(request.kind).toBe('promised')
  })

  test('ends with an await using block, a reservation with a using block', async () => {
    const rig = await Rig.start({ policies: [{ ...policy, idleCount: 1 }] })
    await rig.clock.advance(60_000)
    {
      using _given = rig.scaler.reserve()
      expect(rig.scaler.status().tasks).toMatchObject({ reserved: 1, idle: 1 })
    }
    {
      await using _acquisition = await rig.acquire()
      expect(rig.scaler.status().tasks).toMatchObject({ reserved: 0, acquired: 1, idle: 0 })
    }
    expect(rig.scaler.status().tasks).toMatchObject({ reserved: 0, acquired: 0, idle: 1 })
  })

  test('jobs are packed on the fullest instance, so that another becomes empty and goes', async () => {
    const rig = await Rig.start({ capacityPerInstance: 2 })
    const [a, b, c, d] = [await rig.acquire(), await rig.acquire(), await rig.acquire(), await rig.acquire()]
    expect(a.instanceId).toBe(b.instanceId)
    expect([a.slot, b.slot]).toEqual([0, 1])
    expect(c.instanceId).toBe(d.instanceId)
    rig.scaler.release(a)
    rig.scaler.release(c)
    rig.scaler.release(d)
    const e = await rig.acquire()
    expect([e.instanceId, e.slot]).toEqual([a.instanceId, a.slot])
    await rig.clock.advance(70_000)
    expect(rig.group.ids).toEqual([a.instanceId])
  })

  test('higher priorities first, first come first served within one; a cancelled wait leaves nothing behind', async () => {
    const { clock, scaler } = await Rig.start()
    const order: string[] = []
    const wait = (key: string, priority: number, signal?: AbortSignal): void => {
      scaler.acquire(scaler.reserve({ key, priority }), signal && { signal }).then(
        (acquisition) => order.push(acquisition.key),
        (error: Error) => order.push(`${key}: ${error.message}`),
      )
    }
    const cancel = new AbortController()
    wait('first', 0)
    wait('urgent', 5)
    wait('cancelled', 9, cancel.signal)
    wait('second', 0)
    cancel.abort(new Error('not wanted any more'))
    await clock.advance(120_000)
    expect(order).toEqual(['cancelled: not wanted any more', 'urgent', 'first', 'second'])
    expect(scaler.status().tasks).toMatchObject({ pending: 0, acquired: 3, reserved: 0 })
    expect(scaler.counters.tasks.acquire_canceled).toBe(1)
  })

  test('a reservation given up while acquire waits takes no slot, and acquire says so', async () => {
    const { clock, group, scaler } = await Rig.start()
    let acquiring: Promise<unknown>
    {
      using reservation = scaler.reserve({ key: 'left' })
      acquiring = scaler.acquire(reservation)
      acquiring.catch(() => {})
      expect(scaler.status().tasks.pending).toBe(1)
    }
    await expect(acquiring).rejects.toEqual(new AlreadyEndedError('reservation', 'left'))
    expect(scaler.status().tasks).toMatchObject({ pending: 0, reserved: 0 })
    await clock.advance(300_000)
    expect(scaler.status().tasks).toMatchObject({ pending: 0, acquired: 0 })
    expect(scaler.counters.tasks).toMatchObject({ reserve: 1, acquire: 0, acquire_canceled: 1, unreserve: 0 })
    expect(group.ids).toEqual([])
  })

  test('a reservation is used once: later use, and use elsewhere, is an error or nothing', async () => {
    const rig = await Rig.start({ policies: [{ ...policy, idleCount: 2 }] })
    const stranger = await Rig.start()
    await rig.clock.advance(60_000)
    const reservation = rig.scaler.reserve()
    const acquisition = await rig.scaler.acquire(reservation)
    await expect(rig.scaler.acquire(reservation)).rejects.toBeInstanceOf(AlreadyEndedError)
    await expect(stranger.scaler.acquire(rig.scaler.reserve())).rejects.toBeInstanceOf(AlreadyEndedError)
    rig.scaler.unreserve(reservation)
    stranger.scaler.release(acquisition)
    expect(rig.scaler.status().tasks.acquired).toBe(1)
    rig.scaler.release(acquisition)
    rig.scaler.release(acquisition)
    expect(rig.scaler.status().tasks).toMatchObject({ acquired: 0, idle: 2 })
    await expect(acquisition.connect()).rejects.toBeInstanceOf(AlreadyEndedError)
    const aborted = rig.scaler.acquire(rig.scaler.reserve(), { signal: AbortSignal.abort(new Error('too late')) })
    await expect(aborted).rejects.toThrow('too late')
    expect(rig.scaler.status().tasks).toMatchObject({ acquired: 0, reserved: 1 })
  })
})

test('whoever was refused is told when it may be worth another try', async () => {
  const rig = await Rig.start({ maxInstances: 1 })
  const job = await rig.acquire()
  let reserved = 0
  const stop = rig.scaler.onChange(() => {
    try {
      rig.scaler.reserve({ speculative: true })
      reserved++
    } catch {}
  })
  await rig.clock.advance(60_000)
  expect(reserved).toBe(0)
  rig.scaler.release(job)
  await rig.clock.advance(20)
  expect(reserved).toBe(1)
  stop()
})

describe('an instance that goes', () => {
  test('is lost: its jobs are told with the cause, its slots are nobody’s, who waits gets another', async () => {
    const rig = await Rig.start({ capacityPerInstance: 2 })
    const looked = await rig.acquire()
    const { signal } = looked
    const lookedLater = await rig.acquire()
    rig.group.preempt(looked.instanceId)
    await rig.clock.advance(15_000)
    expect(signal.reason).toBeInstanceOf(InstanceLostError)
    expect(signal.reason).toMatchObject({ code: 'instance_lost', instanceId: looked.instanceId })
    expect(lookedLater.signal.aborted).toBe(true)
    await expect(lookedLater.connect()).rejects.toBe(lookedLater.signal.reason)
    rig.scaler.release(looked)
    expect(rig.scaler.counters.tasks).toMatchObject({ lost: 2, release: 0 })
    expect(rig.scaler.status().tasks).toMatchObject({ acquired: 0, idle: 0 })
    expect((await rig.acquire()).instanceId).not.toBe(looked.instanceId)
  })

  test('is lost, and the first job that is told of it releases the other one too: no slot is given back twice', async () => {
    const rig = await Rig.start({ capacityPerInstance: 2 })
    const [first, second] = [await rig.acquire(), await rig.acquire()]
    first.signal.addEventListener('abort', () => rig.scaler.release(second))
    rig.group.preempt(first.instanceId)
    await rig.clock.advance(15_000)
    expect(rig.scaler.counters.tasks).toMatchObject({ lost: 1, release: 1 })
    expect(rig.scaler.status().tasks).toMatchObject({ acquired: 0, idle: 0 })
  })

  test.each(['deleting', 'suspended'] as const)(
    'is taken away by somebody else (%s): its job is told at once',
    async (state) => {
      const rig = await Rig.start()
      const { signal, instanceId } = await rig.acquire()
      rig.group.setState(instanceId, state)
      await rig.clock.advance(10_000)
      expect(signal.reason).toBeInstanceOf(InstanceLostError)
    },
  )

  test('was condemned by one of its jobs: nobody else gets a slot from then on, the jobs on it end in peace, then it is removed', async () => {
    const rig = await Rig.start({ capacityPerInstance: 3 })
    const [condemning, other] = [await rig.acquire(), await rig.acquire()]
    const reservation = rig.scaler.reserve()
    expect(reservation.kind).toBe('slot')
    condemning.condemn('a process could not be ended')
    condemning.condemn('a later reason')
    expect(reservation.kind).toBe('promised')
    expect(rig.scaler.status().tasks).toMatchObject({ idle: 0, acquired: 2, unavailable: 3 })
    expect(rig.scaler.plan().drain).toEqual([
      { id: other.instanceId, reason: `${condemning.key}: a process could not be ended` },
    ])
    rig.scaler.unreserve(reservation)
    expect((await rig.acquire()).instanceId).not.toBe(other.instanceId)
    rig.scaler.release(condemning)
    await rig.clock.advance(300_000)
    expect(other.signal.aborted).toBe(false)
    rig.scaler.release(other)
    await rig.clock.advance(10_000)
    expect(rig.group.ids).not.toContain(other.instanceId)
  })

  test('cannot be condemned by a job that has given it back', async () => {
    const rig = await Rig.start()
    const job = await rig.acquire()
    rig.scaler.release(job)
    job.condemn('too late')
    expect(rig.scaler.status().tasks).toMatchObject({ idle: 1, unavailable: 0 })
  })

  test('was used as often as it may be: it drains, and goes when the last job ends', async () => {
    const rig = await Rig.start({ capacityPerInstance: 2, maxUseCount: 2 })
    const [a, b, c] = [await rig.acquire(), await rig.acquire(), await rig.acquire()]
    expect([a.useCount, b.useCount, c.useCount]).toEqual([1, 2, 1])
    expect(b.instanceId).toBe(a.instanceId)
    expect(c.instanceId).not.toBe(a.instanceId)
    expect(rig.scaler.plan().drain).toMatchObject([
      { id: a.instanceId, reason: 'it was used 2 times and has reached max_use_count' },
    ])
    rig.scaler.release(a)
    await rig.clock.advance(300_000)
    expect(rig.group.ids).toContain(a.instanceId)
    rig.scaler.release(b)
    await rig.clock.advance(10_000)
    expect(rig.group.ids).toEqual([c.instanceId])
  })

  test('announced its interruption: its job runs on, nobody else gets it', async () => {
    const rig = await Rig.start({ capacityPerInstance: 2, group: { capabilities: ['interruption_notice'] } })
    const job = await rig.acquire()
    rig.group.announceInterruption(job.instanceId)
    await rig.clock.advance(1000)
    expect(job.signal.aborted).toBe(false)
    expect(rig.scaler.status().tasks).toMatchObject({ idle: 0, acquired: 1, unavailable: 2 })
    expect((await rig.acquire()).instanceId).not.toBe(job.instanceId)
    await rig.clock.advance(3_600_000)
    expect(job.ending.aborted).toBe(false)
    expect(rig.group.ids).toContain(job.instanceId)
    // It may stay for ever after all: nobody waits for that once it is empty.
    rig.scaler.release(job)
    await rig.clock.advance(10_000)
    expect(rig.group.ids).not.toContain(job.instanceId)
  })

  test.each([
    [120, 100],
    [30, 10],
    [0, 0],
  ])('announced its end in %d s: its job is told after %d s, and only its job', async (noticeSeconds, toldAfter) => {
    const rig = await Rig.start({ maxInstances: 2, group: { capabilities: ['interruption_notice'] } })
    const job = await rig.acquire()
    const other = await rig.acquire()
    rig.group.announceInterruption(job.instanceId)
    await rig.clock.advance(60_000)
    const at = rig.clock.wallTime() + noticeSeconds * 1000
    rig.group.announceInterruption(job.instanceId, at)
    // Said again, as clouds do.
    for (let second = 0; second < toldAfter; second++) {
      rig.group.announceInterruption(job.instanceId, at)
      expect(job.ending.aborted).toBe(false)
      await rig.clock.advance(1_000)
    }
    await rig.clock.advance(100)
    expect(job.ending.aborted).toBe(true)
    expect(job.ending.reason).toMatchObject({ code: 'instance_ending', instanceId: job.instanceId })
    expect(job.signal.aborted).toBe(false)
    rig.group.preempt(job.instanceId)
    await rig.clock.advance(120_000)
    expect(job.signal.reason).toMatchObject({ code: 'instance_lost', wasAnnounced: true })
    expect([other.ending.aborted, other.signal.aborted]).toEqual([false, false])
    rig.group.preempt(other.instanceId)
    await rig.clock.advance(120_000)
    expect(other.signal.reason).toMatchObject({ code: 'instance_lost', wasAnnounced: false })
    expect(other.ending.aborted).toBe(false)
  })

  test('is left alone when somebody else says that it is busy, and stays in use', async () => {
    const rig = await Rig.start()
    const job = await rig.acquire()
    const { instanceId } = job
    rig.scaler.release(job)
    const stop = rig.provisioner.addBusyCheck((id) => id === instanceId)
    await rig.clock.advance(300_000)
    expect(rig.group.ids).toEqual([instanceId])
    expect(rig.scaler.status().tasks.idle).toBe(1)
    stop()
    await rig.clock.advance(130_000)
    expect(rig.group.ids).toEqual([])
  })
})

describe('start and shutdown', () => {
  test('names every setting that cannot be', async () => {
    const options = {
      provisioner: {} as never,
      onDispose: undefined as never,
      capacityPerInstance: 0,
      maxUseCount: -1,
      readyTimeoutMs: 0,
      promiseCapMs: Number.NaN,
    }
    const error = await Taskscaler.start(options).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(InvalidSettingsError)
    expect((error as InvalidSettingsError).problems).toEqual([
      'capacityPerInstance: expected an integer ≥ 1, got 0',
      'maxUseCount: expected an integer ≥ 0, got -1',
      'readyTimeoutMs: expected milliseconds > 0, got 0',
      'promiseCapMs: expected milliseconds > 0, got NaN',
      'onDispose: expected "remove-instances" or "keep-instances", got nothing',
    ])
    await expect(
      Taskscaler.start({
        provisioner: {} as never,
        onDispose: 'keep-instances',
        policies: [{ ...policy, idleCount: -1 }],
      }),
    ).rejects.toThrow('policy[0].idleCount')
  })

  test('starts a provisioner of its own when it is given what to start one with', async () => {
    const clock = new ManualClock()
    const group = new MemoryGroup({ clock, shell: simpleShell })
    const scaler = await Taskscaler.start({
      provisioner: { group, maxInstances: 2 },
      onDispose: 'keep-instances',
      policies: [{ ...policy, idleCount: 5 }],
      clock,
    })
    await clock.advance(10_000)
    expect(scaler.status()).toMatchObject({ desiredInstances: 2, tasks: { idle: 2 }, policy: { idleCount: 5 } })
    await scaler[Symbol.asyncDispose]()
    expect([group.ids.length, group.isShutDown]).toEqual([2, true])
  })

  test('ends waits, refuses reservations, removes what is not busy, and leaves no timer', async () => {
    const rig = await Rig.start({ maxInstances: 3 })
    const [busy, done] = [await rig.acquire(), await rig.acquire()]
    const reservation = rig.scaler.reserve()
    const waiting = rig.begin(reservation)
    rig.scaler.release(done)
    const another = rig.begin(rig.scaler.reserve())
    await rig.clock.advance(0)
    const ending = rig.scaler.shutdown({ removeInstances: true })
    expect(() => rig.scaler.reserve()).toThrow(NoCapacityError)
    await rig.clock.advance(60_000)
    expect(waiting.acquisition).toBeDefined()
    expect(another.error).toMatchObject({ code: 'no_capacity', reason: 'shutdown' })
    expect((await ending).remaining.toSorted()).toEqual([busy.instanceId, waiting.acquisition!.instanceId].toSorted())
    expect(busy.signal.aborted).toBe(false)
    expect(rig.clock.pendingTimers).toBe(0)
  })
})
