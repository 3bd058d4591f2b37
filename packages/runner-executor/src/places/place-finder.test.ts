import { ConnectionError, delay, GroupError } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { JobError } from '@runner-core/job'
import type { Acquisition, Reservation } from '@runner-core/taskscaler'
import { policy } from '@runner-core/testkit/scaler/rig'
import { describe, expect, test } from 'vitest'
import { FinderRig, instanceOf, release } from '../../test/finder-rig.ts'
import { PlaceFinder } from './place-finder.ts'

const idle = { policies: [{ ...policy, idleTimeMs: 3_600_000 }] }

/** A rig with a ready machine that cannot be reached any more: its connections are gone, and there are no new ones. */
async function withDeadMachine(options: { maxInstances?: number } = {}): Promise<{ rig: FinderRig; dead: string }> {
  const rig = await FinderRig.start({ ...idle, ...options })
  await release(await rig.place())
  const { group } = rig.rig
  const [dead] = group.ids as [string]
  group.unreachable = new Set([dead])
  group.dropConnections()
  return { rig, dead }
}

describe('a place', () => {
  test('that is there at once costs no time, no line, and leaves no timer', async () => {
    const clock = new ManualClock()
    const rig = await FinderRig.start(idle, { clock })
    await release(await rig.place())
    await clock.advance(1_000_000)
    const search = await rig.search()
    expect(instanceOf(search)).toBe('m-1')
    expect(clock.pendingTimers).toBe(0)
    await clock.advance(1_000_000)
    expect(search.lines).toEqual([])
  })

  test('that is not there yet is explained at once and every 30 s, and no more once it is there', async () => {
    const rig = await FinderRig.start({ group: { bootDelayMs: 80_000 } })
    const search = await rig.search()
    await rig.rig.clock.advance(79_000)
    expect(search.linesAt).toEqual([50, 30_050, 60_050])
    expect(search.lines[0]).toMatch(/^Waiting for a slot for .*, number 1 in the queue; 1 instance is starting/)
    await rig.rig.clock.advance(600_000)
    expect(search.place).toBeDefined()
    expect(search.lines).toHaveLength(3)
  })

  test('that did not come when it was promised is explained anew at once, then every 30 s again', async () => {
    const rig = await FinderRig.start({ promiseCapMs: 40_000 })
    rig.rig.group.fail('increase', new GroupError('capacity', 'no c5.large left'), Number.POSITIVE_INFINITY)
    const search = await rig.search()
    await rig.rig.clock.advance(71_000)
    const [at, again] = search.linesAt.slice(2) as [number, number]
    expect(search.linesAt).toEqual([50, 30_050, at, again])
    expect(at).toBeGreaterThanOrEqual(40_000)
    expect(again).toBe(at + 30_000)
    expect(search.lines[2]).toContain('the promised slot did not become available and was planned again')
    expect(search.lines[1]).not.toContain('planned again')
  })
})

describe('a job that is canceled', () => {
  test('while it waits leaves nothing behind', async () => {
    const rig = await FinderRig.start({ group: { bootDelayMs: 80_000 } })
    const search = await rig.search()
    await rig.rig.clock.advance(1_000)
    const canceled = new Error('canceled')
    search.cancel(canceled)
    await rig.rig.clock.advance(300_000)
    expect(search.error).toBe(canceled)
    expect(search.lines).toHaveLength(1)
    expect(rig.rig.scaler.snapshot().demand).toMatchObject({ acquired: 0, waiting: 0, reserved: 0 })
    await rig.rig.scaler[Symbol.asyncDispose]()
    expect(rig.rig.clock.pendingTimers).toBe(0)
  })

  test('while its machine is dialled gives the slot back, and the machine stays', async () => {
    const rig = await FinderRig.start(idle)
    await release(await rig.place())
    const { group, scaler, clock } = rig.rig
    group.fail('connect', { kind: 'hang' })
    group.dropConnections()
    const search = await rig.search()
    const canceled = new Error('canceled')
    search.cancel(canceled)
    await clock.advance(10_000)
    expect(search.error).toBe(canceled)
    expect(scaler.status().tasks).toMatchObject({ acquired: 0 })
    expect(group.ids).toEqual(['m-1'])
  })
})

describe('a machine that cannot be reached', () => {
  test('is replaced, and the job takes another one; its trace says so', async () => {
    const { rig, dead } = await withDeadMachine()
    const search = await rig.search()
    await rig.rig.clock.advance(40_000)
    expect(instanceOf(search)).toBe('m-2')
    expect(search.lines[0]).toBe(
      `Instance ${dead} cannot be used: instance ${dead} does not answer. Moving to another one.`,
    )
    await rig.rig.clock.advance(40_000)
    expect(rig.rig.group.ids).toEqual(['m-2'])
  })

  test('is waited for to go, where there is no room for another one', async () => {
    const { rig } = await withDeadMachine({ maxInstances: 1 })
    const search = await rig.search()
    await rig.rig.clock.advance(1_000)
    expect(search.lines.at(-1)).toMatch(/^Waiting for capacity: max_instances 1 leaves no room/)
    await rig.rig.clock.advance(120_000)
    expect(instanceOf(search)).toBe('m-2')
  })

  test('and says nothing at all costs a job 30 s, and then nobody anything until it answers again', async () => {
    const rig = await FinderRig.start(idle)
    await release(await rig.place())
    const { group, clock, provisioner } = rig.rig
    group.dropConnections()
    group.fail('connect', { kind: 'hang' })
    const search = await rig.search()
    await clock.advance(29_999)
    expect(provisioner.instances().get('m-1')).toMatchObject({ healthy: true })
    await clock.advance(1)
    expect(provisioner.instances().get('m-1')).toMatchObject({
      healthy: false,
      failing: 'instance m-1: no connection within 30 s',
    })
    expect(search.lines[0]).toBe(
      'Instance m-1 cannot be used: instance m-1: no connection within 30 s. Moving to another one.',
    )
    // Has answered a check again, but not three.
    await clock.advance(25_000)
    expect(search.place).toBeUndefined()
    await clock.advance(10_000)
    expect(instanceOf(search)).toBe('m-1')
  })

  test('and says nothing at all takes no more than half of the time that a job has', async () => {
    const rig = await FinderRig.start(idle, { acquireTimeoutMs: 20_000 })
    await rig.rig.acquire()
    const second = await rig.rig.acquire()
    rig.rig.scaler.release(second)
    const { group, clock } = rig.rig
    group.dropConnections()
    group.fail('connect', { kind: 'hang' })
    const search = await rig.search()
    await clock.advance(10_000)
    expect(search.lines[0]).toBe(
      'Instance m-2 cannot be used: instance m-2: no connection within 10 s. Moving to another one.',
    )
  })

  test('because of an outage on our side is as good as before, like all others: the job waits until it is over, and runs there', async () => {
    const rig = await FinderRig.start({ ...idle, maxInstances: 6 })
    const { group, clock } = rig.rig
    const places = []
    for (let made = 0; made < 6; made++) places.push(await rig.place())
    for (const place of places) await release(place)
    const before = group.ids
    group.unreachable = 'all'
    group.dropConnections()
    const search = await rig.search()
    await clock.advance(600_000)
    expect(search.lines.slice(0, 6)).toEqual(
      Array.from({ length: 6 }, () => expect.stringMatching(/^Instance m-\d cannot be used/)),
    )
    expect(group.ids).toEqual(before)
    group.unreachable = new Set()
    await clock.advance(60_000)
    expect(search.place).toBeDefined()
    expect(group.ids).toEqual(before)
  })

  test('because the cloud does not answer now stays; it is tried again', async () => {
    const rig = await FinderRig.start(idle)
    await release(await rig.place())
    const { group, clock } = rig.rig
    group.dropConnections()
    group.fail('connect', new GroupError('throttled', 'slow down', { retryAfterMs: 20_000 }))
    const search = await rig.search()
    await clock.advance(19_000)
    expect(search.place).toBeUndefined()
    await clock.advance(5_000)
    expect(instanceOf(search)).toBe('m-1')
  })

  test('as things are configured fails the job, and stays', async () => {
    const rig = await FinderRig.start(idle)
    await release(await rig.place())
    const { group, clock } = rig.rig
    const cause = new ConnectionError('invalid_config', 'no user name')
    group.dropConnections()
    group.fail('connect', cause)
    const { error } = await rig.search()
    expect(error).toMatchObject({
      name: 'EnvironmentError',
      code: 'failed',
      message: 'instance m-1 cannot be used: no user name',
      cause,
    })
    await clock.advance(60_000)
    expect(group.ids).toEqual(['m-1'])
  })
})

describe('the time to get a place', () => {
  test('ends a wait; the message says why there was none', async () => {
    const rig = await FinderRig.start({ group: { bootDelayMs: 600_000 } }, { acquireTimeoutMs: 120_000 })
    const search = await rig.search()
    await rig.rig.clock.advance(119_000)
    expect(search.error).toBeUndefined()
    await rig.rig.clock.advance(1_000)
    expect(search.error).toMatchObject({ name: 'EnvironmentError', code: 'failed' })
    expect((search.error as Error).message).toMatch(
      /^no slot for the job within 2m0s: waiting for a slot for 2 min.*1 instance is starting/,
    )
    expect(rig.rig.scaler.snapshot().demand).toMatchObject({ acquired: 0, waiting: 0 })
  })

  test('is one for all tries: the last machine only gets what the others left; the priority stays', async () => {
    const clock = new ManualClock()
    let givenBack = 0
    const never = (): (() => void) => () => {}
    const acquire = async (): Promise<Acquisition> => {
      const acquisition: Acquisition = {
        key: 'job',
        instanceId: `i-${givenBack + 1}`,
        slot: 0,
        useCount: 1,
        isForContent: false,
        addContent: () => {},
        signal: new AbortController().signal,
        ending: new AbortController().signal,
        condemn: () => {},
        connect: (signal) =>
          delay(clock, 20_000, signal).then(() => Promise.reject(new ConnectionError('unreachable', 'no answer'))),
        async [Symbol.asyncDispose]() {
          givenBack += 1
        },
      }
      return acquisition
    }
    const reservation: Reservation = {
      key: 'job',
      kind: 'slot',
      readyAt: 0,
      priority: 5,
      speculative: false,
      [Symbol.dispose]: () => {},
    }
    const asked: unknown[] = []
    const reserve = (options?: object): Reservation => {
      asked.push(options)
      return reservation
    }
    const scaler = { acquire, reserve, explainWait: () => '', onChange: never }
    const finder = new PlaceFinder({ scaler, acquireTimeoutMs: 50_000, clock })
    const lines: string[] = []
    const search = finder.find(reservation, {
      report: (line) => lines.push(line),
      signal: new AbortController().signal,
      admit: async () => ({ place: 'never' }),
    })
    const failure = search.catch((error: Error) => error.message)
    await clock.advance(49_999)
    expect(givenBack).toBe(2)
    await clock.advance(1)
    expect(await failure).toBe('no slot for the job within 50s: instance i-3 does not respond')
    expect(lines).toEqual(
      [1, 2].map((number) => `Instance i-${number} cannot be used: no answer. Moving to another one.`),
    )
    expect([givenBack, clock.pendingTimers]).toEqual([3, 0])
    expect(asked).toEqual([{ priority: 5 }, { priority: 5 }])
  })
})

test('a scaler that shuts down interrupts the jobs that wait', async () => {
  const rig = await FinderRig.start()
  const search = await rig.search()
  await rig.rig.scaler[Symbol.asyncDispose]()
  await rig.rig.clock.advance(1_000)
  expect(search.error).toMatchObject({ name: 'JobError', code: 'interrupted', reason: 'runner_interrupted' })
})

describe('an instance that can be reached', () => {
  test('and refuses the job is condemned, and the job takes another one; its trace and the log say so', async () => {
    const log: unknown[] = []
    const logger = { debug() {}, info() {}, error() {}, warn: (...line: unknown[]) => void log.push(line) }
    const rig = await FinderRig.start(idle, { logger })
    await release(await rig.place())
    let asked = 0
    const search = await rig.search(async (acquisition, connection) =>
      asked++ === 0
        ? { refused: { reason: 'no disk', message: 'an instance has no disk', line: 'm-1 has no disk.' } }
        : { place: { acquisition, connection } },
    )
    expect(search.lines[0]).toBe('m-1 has no disk.')
    expect(log).toEqual([[{ instance: 'm-1', reason: 'no disk' }, 'an instance has no disk']])
    await rig.rig.clock.advance(60_000)
    expect(instanceOf(search)).toBe('m-2')
    expect(rig.rig.group.ids).toEqual(['m-2'])
  })

  test('and finds the job itself at fault fails it with that error, and stays', async () => {
    const rig = await FinderRig.start(idle)
    await release(await rig.place())
    const failure = new JobError('internal', 'runner_system_failure', 'no such image')
    const search = await rig.search(async () => {
      throw failure
    })
    expect(search.error).toBe(failure)
    expect(search.lines).toEqual([])
    await rig.rig.clock.advance(60_000)
    expect(rig.rig.group.ids).toEqual(['m-1'])
    expect(rig.rig.scaler.status().tasks).toMatchObject({ acquired: 0 })
  })
})
