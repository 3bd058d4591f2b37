import { delay, GroupError, silentLogger } from '@runner-core/fleeting'
import { policy, Rig } from '@runner-core/testkit/scaler/rig'
import PQueue from 'p-queue'
import { describe, expect, test } from 'vitest'
import { pQueueDemand } from '../demand/p-queue-demand.ts'
import { QueueDepth } from '../demand/queue-depth.ts'
import { InvalidSettingsError } from '../invalid-settings.ts'
import type { NoCapacityError } from '../slots/acquisition.ts'

function refusal(act: () => unknown): Pick<NoCapacityError, 'code' | 'reason' | 'message'> {
  try {
    act()
  } catch (error) {
    return error as NoCapacityError
  }
  throw new Error('was not refused')
}

describe('idle capacity', () => {
  test('is kept ready from the start, in jobs, not machines', async () => {
    const { clock, group, scaler } = await Rig.start({
      capacityPerInstance: 4,
      policies: [{ ...policy, idleCount: 5 }],
    })
    await clock.advance(60_000)
    expect(group.ids.length).toBe(2)
    expect(scaler.status().tasks.idle).toBe(8)
    await clock.advance(3_600_000)
    expect(scaler.counters.scale).toEqual({ up: 2, down: 0 })
  })

  test('grows with what is in use, up to the limit', async () => {
    const rig = await Rig.start({ maxInstances: 30, policies: [{ ...policy, scaleFactor: 0.5, scaleFactorLimit: 2 }] })
    const jobs = []
    for (const [inUse, instances] of [
      [1, 2],
      [2, 3],
      [3, 5],
      [6, 8],
    ] as const) {
      while (jobs.length < inUse) jobs.push(await rig.acquire())
      await rig.clock.advance(60_000)
      expect(rig.group.ids.length).toBe(instances)
    }
    for (const job of jobs) rig.scaler.release(job)
    await rig.clock.advance(300_000)
    expect(rig.group.ids).toEqual([])
  })

  test('follows the schedule at the minute, also when the wall clock jumps', async () => {
    const { clock, group, scaler } = await Rig.start({
      policies: [policy, { ...policy, periods: ['20-29 * * * *'], idleCount: 2 }],
    })
    clock.jumpWallTime(-clock.wallTime() + 19 * 60_000) // 00:19:00
    await clock.advance(59_000)
    expect(group.ids.length).toBe(0)
    await clock.advance(1_000)
    expect(group.ids.length).toBe(2)
    await clock.advance(9 * 60_000 + 50_000)
    expect(group.ids.length).toBe(2)
    await clock.advance(20_000)
    expect(group.ids.length).toBe(0)
    clock.jumpWallTime(-5 * 60_000)
    await clock.advance(15_000)
    expect(group.ids.length).toBe(2)
    expect(scaler.status().policy.idleCount).toBe(2)
  })

  test('follows new policies at once; bad ones change nothing', async () => {
    const { clock, group, scaler } = await Rig.start()
    scaler.configureSchedule([{ ...policy, idleCount: 3 }])
    await clock.advance(60_000)
    expect(group.ids.length).toBe(3)
    expect(() => scaler.configureSchedule([{ ...policy, periods: ['* * *'] }])).toThrow(InvalidSettingsError)
    await clock.advance(60_000)
    expect(group.ids.length).toBe(3)
    scaler.configureSchedule([])
    expect(scaler.status().policy).toMatchObject({ idleCount: 0, idleTimeMs: 300_000 })
  })

  test('instances that were there before are used once they are proven; with max_use_count nobody knows their uses, so they go', async () => {
    const adopting = await Rig.start({ existing: 2, policies: [{ ...policy, idleCount: 2 }] })
    expect([adopting.group.ids.length, adopting.scaler.status().tasks.idle]).toEqual([2, 2])
    expect(adopting.scaler.counters.scale.up).toBe(0)
    const careful = await Rig.start({ existing: 2, maxUseCount: 1 })
    await careful.clock.advance(10_000)
    expect(careful.group.ids).toEqual([])
  })
})

test('events are only hints: what they do not tell, the next heartbeat finds', async () => {
  const rig = await Rig.start({ silent: true })
  const job = rig.begin(rig.scaler.reserve())
  await rig.clock.advance(90_000)
  expect(job.acquisition).toBeDefined()
  const { signal } = job.acquisition!
  rig.group.preempt(job.acquisition!.instanceId)
  await rig.clock.advance(30_000)
  expect(signal.aborted).toBe(true)
})

test('an instance that one list misses is not replaced, and is used again when the next one shows it', async () => {
  const rig = await Rig.start({ policies: [{ ...policy, idleCount: 1 }] })
  await rig.clock.advance(60_000)
  const list = rig.group.list.bind(rig.group)
  let lists = 0
  rig.group.list = async (signal) => {
    if (++lists === 1) return []
    await delay(rig.clock, 5_000, signal)
    return list(signal)
  }
  await rig.clock.advance(70_000)
  expect(lists).toBe(2)
  expect(rig.scaler.counters.scale).toEqual({ up: 1, down: 0 })
  expect(rig.scaler.status().tasks.idle).toBe(1)
})

test('a job that comes between the decision to remove an instance and the act keeps it', async () => {
  const acquired: Promise<unknown>[] = []
  const logger = {
    ...silentLogger,
    info: (_: object, message: string) => {
      if (message === 'instance marked for removal' && acquired.length === 0)
        acquired.push(rig.scaler.acquire(rig.scaler.reserve()))
    },
  }
  const rig: Rig = await Rig.start({ policies: [{ ...policy, idleCount: 2 }], provisioner: { logger } })
  await rig.clock.advance(60_000)
  rig.scaler.configureSchedule([policy])
  await rig.clock.advance(100_000)
  expect(rig.group.ids.length).toBe(1)
  expect(rig.scaler.status().tasks).toMatchObject({ acquired: 1, pending: 0 })
  expect(rig.scaler.counters.scale).toEqual({ up: 2, down: 1 })
})

describe('demand', () => {
  test('a reservation counts as a job, a speculative one does not: it makes nothing and keeps nothing', async () => {
    const { clock, group, scaler } = await Rig.start()
    const poll = scaler.reserve({ speculative: true })
    await clock.advance(120_000)
    expect(group.ids).toEqual([])
    const reservation = scaler.reserve()
    await clock.advance(60_000)
    expect([group.ids.length, poll.kind, reservation.kind]).toEqual([1, 'slot', 'promised'])
    await clock.advance(3_600_000)
    expect(group.ids.length).toBe(1)
    scaler.unreserve(reservation)
    await clock.advance(90_000)
    expect([group.ids.length, poll.kind]).toEqual([0, 'promised'])
  })

  test('jobs in a queue elsewhere make instances before anybody reserves, and are forgotten when nobody tells of them any more', async () => {
    const group = {}
    const holder: { queue?: QueueDepth } = {}
    const source = { name: 'gitlab', depth: () => holder.queue?.depth() ?? 0 }
    const rig = await Rig.start({ demand: [source], capacityPerInstance: 2, group })
    holder.queue = new QueueDepth({ name: 'gitlab', clock: rig.clock, timeToLiveMs: 120_000 })
    holder.queue.set(5)
    await rig.clock.advance(2_000)
    expect(rig.group.ids.length).toBe(3)
    expect(rig.scaler.snapshot().demand.queued).toEqual([{ source: 'gitlab', depth: 5 }])
    await rig.clock.advance(118_000)
    expect(rig.group.ids.length).toBe(3)
    await rig.clock.advance(80_000)
    expect(rig.group.ids).toEqual([])
  })

  test('a p-queue of more tasks than slots', async () => {
    const queue = new PQueue({ concurrency: 3 })
    const rig = await Rig.start({ demand: [pQueueDemand(queue)], maxInstances: 3 })
    let done = 0
    for (let task = 0; task < 10; task++) {
      void queue.add(async () => {
        await using _acquisition = await rig.scaler.acquire(rig.scaler.reserve())
        done++
      })
    }
    expect(queue.size).toBe(7)
    await rig.clock.advance(40_000)
    expect([done, queue.size, rig.group.ids.length]).toEqual([10, 0, 3])
    await rig.clock.advance(70_000)
    expect(rig.group.ids).toEqual([])
  })

  test('a source that answers nonsense counts as none, one that throws does not stop the loop', async () => {
    let depth = Number.NaN
    const source = {
      name: 'broken',
      depth: () => {
        if (depth === 7) throw new Error('no connection')
        return depth
      },
    }
    const rig = await Rig.start({ demand: [source] })
    const depths = [Number.POSITIVE_INFINITY, -3, 7]
    for (depth of depths) await rig.clock.advance(5_000)
    expect(rig.group.ids).toEqual([])
    const job = rig.begin(rig.scaler.reserve())
    await rig.clock.advance(60_000)
    expect(job.acquisition).toBeDefined()
    rig.scaler.release(job.acquisition!)
    await rig.clock.advance(120_000)
    expect(rig.group.ids).toEqual([])
    depth = 0.5
    await rig.clock.advance(5_000)
    expect(rig.group.ids.length).toBe(1)
  })
})

describe('a reservation is refused', () => {
  test('in preemptive mode without a ready slot, also at idle_count 0', async () => {
    const rig = await Rig.start({ policies: [{ ...policy, preemptiveMode: true }] })
    expect(refusal(() => rig.scaler.reserve())).toMatchObject({ code: 'no_capacity', reason: 'preemptive_mode' })
    const warm = await Rig.start({ policies: [{ ...policy, idleCount: 1, preemptiveMode: true }] })
    expect(refusal(() => warm.scaler.reserve()).reason).toBe('preemptive_mode')
    await warm.clock.advance(60_000)
    expect(warm.scaler.reserve().kind).toBe('slot')
    expect(refusal(() => warm.scaler.reserve()).reason).toBe('preemptive_mode')
    expect(warm.scaler.counters.tasks).toMatchObject({ reserve: 1, reserve_available_capacity_failure: 2 })
  })

  test('when every slot that there can be is taken or promised', async () => {
    const rig = await Rig.start({ capacityPerInstance: 2, maxInstances: 2 })
    await rig.acquire()
    for (let more = 0; more < 3; more++) rig.scaler.reserve()
    const { reason, message } = refusal(() => rig.scaler.reserve())
    expect(reason).toBe('max_instances')
    expect(message).toBe(
      'max_instances 2 leaves no room (slots in use: 1, free: 1, jobs waiting: 0, instances: 1, not ready: 0, requested: 0)',
    )
    expect(rig.scaler.counters.tasks.reserve_iop_capacity_failure).toBe(1)
    const unconfigured = await Rig.start({ maxInstances: 0, group: { maxSize: 1 } })
    unconfigured.scaler.reserve()
    expect(refusal(() => unconfigured.scaler.reserve()).message).toMatch(/^the group's own maximum of 1 leaves no room/)
  })

  test('while launches back off or are stopped, as far as new instances would be needed', async () => {
    const rig = await Rig.start({ capacityPerInstance: 2 })
    rig.group.acceptOnly = { count: 1, error: new GroupError('capacity', 'no c5.large left') }
    rig.begin(rig.scaler.reserve())
    const [second, third] = [rig.scaler.reserve(), rig.scaler.reserve()]
    await rig.clock.advance(1000)
    expect(refusal(() => rig.scaler.reserve())).toMatchObject({
      reason: 'backoff',
      message: expect.stringContaining('no c5.large left'),
    })
    rig.scaler.unreserve(second)
    rig.scaler.unreserve(third)
    expect(rig.scaler.reserve().kind).toBe('promised')
    expect(refusal(() => rig.scaler.reserve()).reason).toBe('backoff')

    const stopped = await Rig.start()
    stopped.group.fail('increase', new GroupError('auth', 'not allowed to launch'))
    stopped.begin(stopped.scaler.reserve())
    await stopped.clock.advance(1000)
    expect(refusal(() => stopped.scaler.reserve())).toMatchObject({
      reason: 'breaker',
      message: expect.stringContaining('not allowed to launch'),
    })
  })
})

describe('a promise', () => {
  test('is dated from observed ready times, and capped', async () => {
    const rig = await Rig.start({ promiseCapMs: 100_000 })
    const now = rig.clock.now()
    const unknown = rig.scaler.reserve({ speculative: true })
    expect(unknown.readyAt).toBe(now + 100_000)
    rig.scaler.unreserve(unknown)
    const job = await rig.acquire()
    const took = rig.scaler.status().readyMs!
    expect(took).toBeGreaterThanOrEqual(30_000)
    expect(took).toBeLessThan(35_000)
    const next = rig.scaler.reserve()
    expect(next.readyAt).toBe(rig.clock.now() + took)
    rig.scaler.release(job)
    expect([next.kind, next.readyAt <= rig.clock.now()]).toEqual(['slot', true])
  })

  test('that expires is made anew, and its holder told why it waits', async () => {
    const rig = await Rig.start({ promiseCapMs: 60_000 })
    rig.group.fail('increase', new GroupError('capacity', 'no c5.large left'), Number.POSITIVE_INFINITY)
    const told: string[] = []
    const reservation = rig.scaler.reserve()
    const job = rig.begin(reservation, { onReplanned: (explanation) => told.push(explanation) })
    await rig.clock.advance(59_000)
    expect(told).toEqual([])
    await rig.clock.advance(2_000)
    expect(told.length).toBe(1)
    expect(told[0]).toMatch(
      /^waiting for a slot for 1 min, number 1 in the queue; the promised slot did not become available and was planned again; no instance is starting; /,
    )
    expect(told[0]).toMatch(
      /1 more wanted, but launches back off after \d+ failures? \(capacity: no c5.large left\), next try in .*$/,
    )
    expect(reservation.readyAt).toBeGreaterThan(rig.clock.now())
    rig.group.heal()
    await rig.clock.advance(600_000)
    expect(job.acquisition).toBeDefined()
    expect(rig.scaler.counters.tasks.replan).toBe(told.length)
  })

  test('expires for nobody whose wait another has just ended', async () => {
    const rig = await Rig.start({ promiseCapMs: 60_000 })
    rig.group.fail('increase', new GroupError('capacity', 'no c5.large left'), Number.POSITIVE_INFINITY)
    const cancel = new AbortController()
    const told: string[] = []
    rig.begin(rig.scaler.reserve(), {
      onReplanned: () => {
        told.push('first')
        cancel.abort(new Error('not wanted any more'))
      },
    })
    const second = rig.begin(rig.scaler.reserve(), { signal: cancel.signal, onReplanned: () => told.push('second') })
    const third = rig.begin(rig.scaler.reserve(), { onReplanned: () => told.push('third') })
    await rig.clock.advance(61_000)
    expect(second.error).toEqual(new Error('not wanted any more'))
    expect(told).toEqual(['first', 'third'])
    expect(rig.scaler.counters.tasks.replan).toBe(2)
    rig.group.heal()
    await rig.clock.advance(600_000)
    expect(third.acquisition).toBeDefined()
  })

  test('is explained while it lasts', async () => {
    const rig = await Rig.start({ maxInstances: 1, capacityPerInstance: 2 })
    const [first, second] = [rig.scaler.reserve(), rig.scaler.reserve()]
    const [jobOne] = [rig.begin(first), rig.begin(second)]
    await rig.clock.advance(10_000)
    expect(rig.scaler.explainWait(second)).toMatch(
      /^waiting for a slot for 10 s, number 2 in the queue; 1 instance is starting \(m-1 creating for 10 s\)$/,
    )
    await rig.clock.advance(30_000)
    expect(rig.scaler.explainWait(second)).toBe('the reservation has ended')
    rig.scaler.release(jobOne.acquisition!)
    expect(rig.scaler.explainWait(rig.scaler.reserve())).toBe('a ready slot is held')
  })
})
