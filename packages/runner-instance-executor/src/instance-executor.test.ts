import { ConnectionError, delay, GroupError } from '@runner-core/fleeting'
import { ManualClock, type MemoryShell } from '@runner-core/fleeting/testing'
import type { ScriptRun } from '@runner-core/job'
import { ConcurrentIds } from '@runner-core/runner-executor'
import type { Acquisition, Reservation } from '@runner-core/taskscaler'
import { policy } from '@runner-core/testkit/scaler/rig'
import { describe, expect, test } from 'vitest'
import { ExecutorRig } from '../test/executor-rig.ts'
import { InstanceExecutor } from './instance-executor.ts'

const idle = { policies: [{ ...policy, idleTimeMs: 3_600_000 }] }

/** A rig with a ready machine that cannot be reached any more: its connections are gone, and there are no new ones. */
async function withDeadMachine(options: { maxInstances?: number } = {}): Promise<{ rig: ExecutorRig; dead: string }> {
  const rig = await ExecutorRig.start({ ...idle, ...options })
  await (await rig.place()).release()
  const { group } = rig.rig
  const [dead] = group.ids as [string]
  group.unreachable = new Set([dead])
  group.dropConnections()
  return { rig, dead }
}

describe('a place', () => {
  test('that is there at once costs no time, no line, and leaves no timer', async () => {
    const clock = new ManualClock()
    const rig = await ExecutorRig.start(idle, { clock })
    await (await rig.place()).release()
    await clock.advance(1_000_000)
    const { place, lines } = await rig.prepare()
    expect(place!.environment).toMatchObject({
      description: 'instance m-1, slot 0',
      shell: 'bash',
      buildsDir: 'builds',
      concurrentId: 0,
    })
    expect(clock.pendingTimers).toBe(0)
    await clock.advance(1_000_000)
    expect(lines).toEqual([])
  })

  test('that is not there yet is explained at once and every 30 s, and no more once it is there', async () => {
    const rig = await ExecutorRig.start({ group: { bootDelayMs: 80_000 } })
    const preparation = await rig.prepare()
    await rig.rig.clock.advance(79_000)
    expect(preparation.linesAt).toEqual([50, 30_050, 60_050])
    expect(preparation.lines[0]).toMatch(/^Waiting for a slot for .*, number 1 in the queue; 1 instance is being made/)
    await rig.rig.clock.advance(600_000)
    expect(preparation.place).toBeDefined()
    expect(preparation.lines).toHaveLength(3)
  })

  test('that did not come when it was promised is explained anew at once, then every 30 s again', async () => {
    const rig = await ExecutorRig.start({ promiseCapMs: 40_000 })
    rig.rig.group.fail('increase', new GroupError('capacity', 'no c5.large left'), Number.POSITIVE_INFINITY)
    const preparation = await rig.prepare()
    await rig.rig.clock.advance(71_000)
    const [at, again] = preparation.linesAt.slice(2) as [number, number]
    expect(preparation.linesAt).toEqual([50, 30_050, at, again])
    expect(at).toBeGreaterThanOrEqual(40_000)
    expect(again).toBe(at + 30_000)
    expect(preparation.lines[2]).toContain('what was promised did not come and was planned anew')
    expect(preparation.lines[1]).not.toContain('planned anew')
  })

  test('is given back once, and then is somebody else’s', async () => {
    const rig = await ExecutorRig.start({ ...idle, maxInstances: 1 })
    const first = await rig.place()
    await first.release()
    const second = await rig.prepare()
    await first.release()
    await rig.rig.clock.advance(1_000)
    expect(second.place!.environment.description).toBe(first.environment.description)
    expect(rig.rig.scaler.status().tasks).toMatchObject({ acquired: 1 })
    expect(rig.rig.group.ids).toHaveLength(1)
  })

  describe('that is given back while a script still runs there', () => {
    async function abandon(rig: ExecutorRig): Promise<void> {
      const place = await rig.place()
      place.environment.run(endless()).catch(() => {})
      await place.release()
    }
    const endless = (): ScriptRun => ({
      script: Buffer.from('true'),
      nonce: 'abc123',
      stdout: () => {},
      stderr: () => {},
      isComplete: () => true,
      signal: new AbortController().signal,
    })

    test('is nobody’s any more, nor is its number, when the rest cannot be ended within 15 s', async () => {
      const rig = await ExecutorRig.start({ ...idle, group: { shell: () => new Promise(() => {}) } })
      const { group, clock } = rig.rig
      await abandon(rig)
      await clock.advance(14_999)
      expect(group.ids).toEqual(['m-1'])
      await clock.advance(10_000)
      expect(group.ids).toEqual([])
      expect((await rig.place()).environment.concurrentId).toBe(1)
    })

    test('its instance lends no other slot meanwhile, and who shuts down can wait for the end of it', async () => {
      const rig = await ExecutorRig.start({
        ...idle,
        capacityPerInstance: 2,
        group: { shell: () => new Promise(() => {}) },
      })
      await abandon(rig)
      const next = await rig.place()
      expect(next.environment.description).toBe('instance m-2, slot 0')
      await rig.executor.sweepsEnded()

      let hasEnded = false
      const other = await rig.place()
      expect(other.environment.description).toBe('instance m-2, slot 1')
      other.environment.run(endless()).catch(() => {})
      await other.release()
      const ended = rig.executor.sweepsEnded().then(() => {
        hasEnded = true
      })
      await rig.rig.clock.advance(14_999)
      expect([hasEnded, rig.rig.scaler.status().tasks.acquired]).toEqual([false, 2])
      await rig.rig.clock.advance(1)
      await ended
      expect(rig.rig.scaler.status().tasks.acquired).toBe(1)
    })

    test('is nobody’s any more, but its number is free, once the rest was ended', async () => {
      const shell: MemoryShell = (command) => (command === 'exec sh' ? { stdout: 'clean\n' } : new Promise(() => {}))
      const rig = await ExecutorRig.start({ ...idle, group: { shell } })
      await abandon(rig)
      await rig.rig.clock.advance(10_000)
      expect(rig.rig.group.ids).toEqual([])
      expect((await rig.place()).environment.concurrentId).toBe(0)
    })
  })

  test('has the smallest number that no other place of the process has, and a marker of its own', async () => {
    const rig = await ExecutorRig.start(idle)
    const [a, b, c] = [await rig.place(), await rig.place(), await rig.place()]
    const numbers = [a, b, c].map(({ environment }) => environment.concurrentId)
    expect(numbers).toEqual([0, 1, 2])
    expect(new Set([a, b, c].map(({ environment }) => environment.jobMarker.value)).size).toBe(3)
    await b.release()
    expect((await rig.place()).environment.concurrentId).toBe(1)
  })
})

describe('a job that is canceled', () => {
  test('while it waits leaves nothing behind', async () => {
    const rig = await ExecutorRig.start({ group: { bootDelayMs: 80_000 } })
    const preparation = await rig.prepare()
    await rig.rig.clock.advance(1_000)
    const canceled = new Error('canceled')
    preparation.cancel(canceled)
    await rig.rig.clock.advance(300_000)
    expect(preparation.error).toBe(canceled)
    expect(preparation.lines).toHaveLength(1)
    expect(rig.rig.scaler.snapshot().demand).toMatchObject({ acquired: 0, waiting: 0, reserved: 0 })
    await rig.rig.scaler[Symbol.asyncDispose]()
    expect(rig.rig.clock.pendingTimers).toBe(0)
  })

  test('while its machine is dialled gives the slot back, and the machine stays', async () => {
    const rig = await ExecutorRig.start(idle)
    await (await rig.place()).release()
    const { group, scaler, clock } = rig.rig
    group.fail('connect', { kind: 'hang' })
    group.dropConnections()
    const preparation = await rig.prepare()
    const canceled = new Error('canceled')
    preparation.cancel(canceled)
    await clock.advance(10_000)
    expect(preparation.error).toBe(canceled)
    expect(scaler.status().tasks).toMatchObject({ acquired: 0 })
    expect(group.ids).toEqual(['m-1'])
  })
})

describe('a machine that cannot be reached', () => {
  test('is replaced, and the job takes another one; its trace says so', async () => {
    const { rig, dead } = await withDeadMachine()
    const preparation = await rig.prepare()
    await rig.rig.clock.advance(40_000)
    expect(preparation.place!.environment.description).toBe('instance m-2, slot 0')
    expect(preparation.lines[0]).toBe(
      `Instance ${dead} cannot be used: instance ${dead} does not answer. Taking another one.`,
    )
    await rig.rig.clock.advance(40_000)
    expect(rig.rig.group.ids).toEqual(['m-2'])
  })

  test('is waited for to go, where there is no room for another one', async () => {
    const { rig } = await withDeadMachine({ maxInstances: 1 })
    const preparation = await rig.prepare()
    await rig.rig.clock.advance(1_000)
    expect(preparation.lines.at(-1)).toMatch(/^Waiting for capacity: max_instances 1 leaves no room/)
    await rig.rig.clock.advance(120_000)
    expect(preparation.place!.environment.description).toBe('instance m-2, slot 0')
  })

  test('and says nothing at all costs a job 30 s, and then nobody anything until it answers again', async () => {
    const rig = await ExecutorRig.start(idle)
    await (await rig.place()).release()
    const { group, clock, provisioner } = rig.rig
    group.dropConnections()
    group.fail('connect', { kind: 'hang' })
    const preparation = await rig.prepare()
    await clock.advance(29_999)
    expect(provisioner.instances().get('m-1')).toMatchObject({ healthy: true })
    await clock.advance(1)
    expect(provisioner.instances().get('m-1')).toMatchObject({
      healthy: false,
      failing: 'instance m-1: no connection within 30 s',
    })
    expect(preparation.lines[0]).toBe(
      'Instance m-1 cannot be used: instance m-1: no connection within 30 s. Taking another one.',
    )
    // Has answered a check again, but not three.
    await clock.advance(25_000)
    expect(preparation.place).toBeUndefined()
    await clock.advance(10_000)
    expect(preparation.place!.environment.description).toBe('instance m-1, slot 0')
  })

  test('and says nothing at all takes no more than half of the time that a job has', async () => {
    const rig = await ExecutorRig.start(idle, { acquireTimeoutMs: 20_000 })
    await rig.rig.acquire()
    const second = await rig.rig.acquire()
    rig.rig.scaler.release(second)
    const { group, clock } = rig.rig
    group.dropConnections()
    group.fail('connect', { kind: 'hang' })
    const preparation = await rig.prepare()
    await clock.advance(10_000)
    expect(preparation.lines[0]).toBe(
      'Instance m-2 cannot be used: instance m-2: no connection within 10 s. Taking another one.',
    )
  })

  test('because of an outage on our side is as good as before, like all others: the job waits until it is over, and runs there', async () => {
    const rig = await ExecutorRig.start({ ...idle, maxInstances: 6 })
    const { group, clock } = rig.rig
    const places = []
    for (let made = 0; made < 6; made++) places.push(await rig.place())
    for (const place of places) await place.release()
    const before = group.ids
    group.unreachable = 'all'
    group.dropConnections()
    const preparation = await rig.prepare()
    await clock.advance(600_000)
    expect(preparation.lines.slice(0, 6)).toEqual(
      Array.from({ length: 6 }, () => expect.stringMatching(/^Instance m-\d cannot be used/)),
    )
    expect(group.ids).toEqual(before)
    group.unreachable = new Set()
    await clock.advance(60_000)
    expect(preparation.place).toBeDefined()
    expect(group.ids).toEqual(before)
  })

  test('because the cloud does not answer now stays; it is tried again', async () => {
    const rig = await ExecutorRig.start(idle)
    await (await rig.place()).release()
    const { group, clock } = rig.rig
    group.dropConnections()
    group.fail('connect', new GroupError('throttled', 'slow down', { retryAfterMs: 20_000 }))
    const preparation = await rig.prepare()
    await clock.advance(19_000)
    expect(preparation.place).toBeUndefined()
    await clock.advance(5_000)
    expect(preparation.place!.environment.description).toBe('instance m-1, slot 0')
  })

  test('as things are configured fails the job, and stays', async () => {
    const rig = await ExecutorRig.start(idle)
    await (await rig.place()).release()
    const { group, clock } = rig.rig
    const cause = new ConnectionError('invalid_config', 'no user name')
    group.dropConnections()
    group.fail('connect', cause)
    const { error } = await rig.prepare()
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

describe('with trust "project" a job', () => {
  /** The instances that are there, idle, in the order in which they had their jobs: one for each project. */
  async function withIdle(projects: readonly string[], options: { maxInstances?: number } = {}): Promise<ExecutorRig> {
    const rig = await ExecutorRig.start({ ...idle, ...options }, { trust: 'project' })
    const places = []
    for (const project of projects) places.push(await rig.place(project))
    for (const place of places) await place.release()
    return rig
  }

  test('gets the instance of its own project beside one of another, and both stay', async () => {
    const rig = await withIdle(['A', 'B'])
    const { place, lines } = await rig.prepare('A')
    expect([place?.environment.description, lines]).toEqual(['instance m-1, slot 0', []])
    await place!.release()
    expect((await rig.prepare('B')).place!.environment.description).toBe('instance m-2, slot 0')
    await rig.rig.clock.advance(60_000)
    expect(rig.rig.group.ids).toEqual(['m-1', 'm-2'])
  })

  test('gets an instance that served nobody rather than one of another project', async () => {
    const rig = await ExecutorRig.start(
      { ...idle, policies: [{ ...idle.policies[0]!, idleCount: 1 }] },
      { trust: 'project' },
    )
    await rig.rig.clock.advance(40_000)
    await (await rig.place('A')).release()
    await rig.rig.clock.advance(40_000)
    expect(rig.rig.group.ids).toEqual(['m-1', 'm-2'])
    const { place, lines } = await rig.prepare('B')
    expect([place?.environment.description, lines]).toEqual(['instance m-2, slot 0', []])
  })

  test('replaces an instance of another project where there is no other one, and no room', async () => {
    const rig = await withIdle(['A'], { maxInstances: 1 })
    const preparation = await rig.prepare('B')
    expect(preparation.lines[0]).toMatch(
      /^Instance m-1 served another project: it is kept for the jobs of another project/,
    )
    await rig.rig.clock.advance(60_000)
    expect(preparation.place!.environment.description).toBe('instance m-2, slot 0')
    expect(rig.rig.group.ids).toEqual(['m-2'])
    await preparation.place!.release()
    expect((await rig.prepare('B')).place!.environment.description).toBe('instance m-2, slot 0')
  })

  test('replaces one of several instances of another project where there is no room, not all', async () => {
    const rig = await withIdle(['A', 'A', 'A'], { maxInstances: 3 })
    const preparation = await rig.prepare('B')
    await rig.rig.clock.advance(60_000)
    expect(preparation.place!.environment.description).toBe('instance m-4, slot 0')
    expect(preparation.lines.filter((line) => line.includes('another project'))).toHaveLength(1)
    expect(rig.rig.group.ids).toEqual(['m-1', 'm-2', 'm-4'])
    expect((await rig.prepare('A')).lines).toEqual([])
  })

  test('waits for a new instance where there is room for one, and those of another project stay', async () => {
    const rig = await withIdle(['A', 'A'], { maxInstances: 3 })
    const preparation = await rig.prepare('B')
    await rig.rig.clock.advance(60_000)
    expect(preparation.place!.environment.description).toBe('instance m-3, slot 0')
    expect(preparation.lines.filter((line) => line.includes('another project'))).toEqual([])
    expect(rig.rig.group.ids).toEqual(['m-1', 'm-2', 'm-3'])
  })

  test('replaces an instance of another project where the cloud has no room though max_instances leaves some', async () => {
    const rig = await withIdle(['A', 'A'], { maxInstances: 3 })
    const { group, clock } = rig.rig
    group.fail('increase', new GroupError('quota', '2 of 2 machines'))
    const preparation = await rig.prepare('B')
    await clock.advance(30_000)
    expect(preparation.lines.filter((line) => line.includes('another project'))).toHaveLength(1)
    await clock.advance(600_000)
    expect(preparation.place!.environment.description).toBe('instance m-3, slot 0')
    expect(group.ids).toEqual(['m-1', 'm-3'])
  })

  test('leaves the instance to other projects where it was cancelled before it had a connection', async () => {
    const rig = await ExecutorRig.start(
      { policies: [{ ...idle.policies[0]!, idleCount: 1 }], maxInstances: 2 },
      { trust: 'project' },
    )
    const { group, clock } = rig.rig
    await clock.advance(60_000)
    group.fail('connect', { kind: 'hang' })
    group.dropConnections()
    const cancelled = await rig.prepare('A')
    cancelled.cancel(new Error('cancelled'))
    await clock.advance(0)
    expect((await rig.prepare('B')).place?.environment.description).toBe('instance m-1, slot 0')
  })

  test('that has given an instance of another project up is served before those that came later', async () => {
    const rig = await ExecutorRig.start(idle, { trust: 'project' })
    const busy = await rig.place('A')
    rig.rig.group.fail('increase', new GroupError('quota', '1 of 1 machines'))
    const preparing = ['B', 'A'].map((project) => rig.prepare(project))
    const [replacing, later] = [await preparing[0]!, await preparing[1]!]
    await rig.rig.clock.advance(10_000)
    await busy.release()
    await rig.rig.clock.advance(600_000)
    const places = [replacing, later].map(({ place }) => place?.environment.description)
    expect(places).toEqual(['instance m-2, slot 0', 'instance m-3, slot 0'])
    expect(replacing.lines.filter((line) => line.includes('another project'))).toHaveLength(1)
  })
})

describe('the time to get a place', () => {
  test('ends a wait; the message says why there was none', async () => {
    const rig = await ExecutorRig.start({ group: { bootDelayMs: 600_000 } }, { acquireTimeoutMs: 120_000 })
    const preparation = await rig.prepare()
    await rig.rig.clock.advance(119_000)
    expect(preparation.error).toBeUndefined()
    await rig.rig.clock.advance(1_000)
    expect(preparation.error).toMatchObject({ name: 'EnvironmentError', code: 'failed' })
    expect((preparation.error as Error).message).toMatch(
      /^no place for the job within 2m0s: waiting for a slot for 2 min.*1 instance is being made/,
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
    const executor = new InstanceExecutor({
      scaler,
      shell: 'sh',
      buildsDir: 'builds',
      concurrentIds: new ConcurrentIds(),
      acquireTimeoutMs: 50_000,
      clock,
    })
    const lines: string[] = []
    const preparation = executor.prepare(reservation, {
      report: (line) => lines.push(line),
      signal: new AbortController().signal,
    })
    const failure = preparation.catch((error: Error) => error.message)
    await clock.advance(49_999)
    expect(givenBack).toBe(2)
    await clock.advance(1)
    expect(await failure).toBe('no place for the job within 50s: instance i-3 does not answer')
    expect(lines).toEqual([1, 2].map((number) => `Instance i-${number} cannot be used: no answer. Taking another one.`))
    expect([givenBack, clock.pendingTimers]).toEqual([3, 0])
    expect(asked).toEqual([{ priority: 5 }, { priority: 5 }])
  })
})

test('a scaler that shuts down interrupts the jobs that wait', async () => {
  const rig = await ExecutorRig.start()
  const preparation = await rig.prepare()
  await rig.rig.scaler[Symbol.asyncDispose]()
  await rig.rig.clock.advance(1_000)
  expect(preparation.error).toMatchObject({ name: 'JobError', code: 'interrupted', reason: 'runner_interrupted' })
})
