import { GroupError } from '@runner-core/fleeting'
import { ManualClock, type MemoryShell } from '@runner-core/fleeting/testing'
import type { ScriptRun } from '@runner-core/job'
import { policy } from '@runner-core/testkit/scaler/rig'
import { describe, expect, test } from 'vitest'
import { ExecutorRig } from '../test/executor-rig.ts'

const idle = { policies: [{ ...policy, idleTimeMs: 3_600_000 }] }

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
