import { policy, Rig, type RigOptions } from '@runner-core/testkit/scaler/rig'
import { expect, test } from 'vitest'
import type { Decision } from '../explain/decision.ts'
import type { WarmUp, WarmUpOptions } from './warm-up.ts'

/** A warm-up of each instance that ends when it is told to. */
class Oven {
  readonly begun: { readonly id: string; readonly options: WarmUpOptions; readonly end: (error?: Error) => void }[] = []
  readonly decisions: Decision[] = []
  readonly warmUp: WarmUp = {
    title: 'pulling ruby',
    limitMs: 120_000,
    run: ({ id }, _connection, options) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error): void => {
          if (error === undefined) options.has('ruby')
          if (error === undefined) resolve('has ruby')
          else reject(error)
        }
        this.begun.push({ id, options, end })
      }),
  }

  start(options: RigOptions = {}): Promise<Rig> {
    const observer = { decided: (decision: Decision) => void this.decisions.push(decision) }
    return Rig.start({ policies: [{ ...policy, idleCount: 1 }], warmUp: this.warmUp, observer, ...options })
  }

  get told(): string[] {
    return this.decisions
      .filter(({ kind }) => kind === 'warming' || kind === 'ready')
      .map(({ kind, reason }) => `${kind}: ${reason}`)
  }
}

const why = (rig: Rig): string[] => rig.scaler.instances().map((status) => status.why)

test('an idle instance counts as ready once it has warmed', async () => {
  const oven = new Oven()
  const rig = await oven.start()
  await rig.clock.advance(60_000)
  expect(rig.scaler.snapshot().supply).toMatchObject({ available: 1, warming: 1, idle: [] })
  expect(why(rig)).toEqual([
    expect.stringMatching(/^pulling ruby for 2\d s; has a job before that only where no other slot is free$/),
  ])
  expect(oven.told).toEqual(['warming: pulling ruby; passed its readiness check, 32 s after it was requested'])
  oven.begun[0]!.end()
  await rig.clock.advance(0)
  expect(rig.scaler.snapshot().supply).toMatchObject({ available: 1, idle: [{ slots: 1 }] })
  expect(rig.scaler.snapshot().supply).not.toHaveProperty('warming')
  expect(why(rig)).toEqual([expect.stringMatching(/^idle for 0/)])
  expect(oven.told.slice(1)).toEqual([expect.stringMatching(/^ready: has ruby, after 2\d s$/)])
})

test('a job that waits gets an instance as soon as it is proven ready, and it warms on beside the job', async () => {
  const oven = new Oven()
  const cold = await Rig.start()
  const rig = await oven.start({ policies: [policy] })
  const [job, jobOfCold] = [rig.begin(rig.scaler.reserve()), cold.begin(cold.scaler.reserve())]
  while (jobOfCold.acquisition === undefined) {
    expect(job.acquisition).toBeUndefined()
    await Promise.all([rig.clock.advance(100), cold.clock.advance(100)])
  }
  expect(job.acquisition).toBeDefined()
  expect(why(rig)).toEqual([expect.stringMatching(/^in use; 1 job runs on it; pulling ruby for/)])
  expect(oven.told).toEqual([
    expect.stringMatching(/^warming: /),
    'ready: a job needs it; pulling ruby continues beside it',
  ])
  expect(oven.begun[0]!.options.signal.aborted).toBe(false)
  oven.begun[0]!.end()
  await rig.clock.advance(0)
  expect([why(rig), oven.told.length]).toEqual([['in use; 1 job runs on it'], 2])
})

test('a job that comes while the only instance warms gets it at once, also in preemptive mode', async () => {
  const oven = new Oven()
  const rig = await oven.start({ policies: [{ ...policy, idleCount: 1, preemptiveMode: true }], maxInstances: 1 })
  await rig.clock.advance(60_000)
  const reservation = rig.scaler.reserve()
  expect(reservation.kind).toBe('slot')
  expect(() => rig.scaler.reserve()).toThrow('preemptive mode')
  const job = rig.begin(reservation)
  await rig.clock.advance(0)
  expect(job.acquisition).toBeDefined()
})

test('a job goes to an instance that warms only where no other has a free slot', async () => {
  const oven = new Oven()
  const rig = await oven.start({ policies: [{ ...policy, idleCount: 2 }] })
  await rig.clock.advance(60_000)
  // The other one would come first otherwise.
  oven.begun[0]!.end()
  await rig.clock.advance(0)
  const ids = []
  for (let jobs = 0; jobs < 2; jobs++) {
    const job = rig.begin(rig.scaler.reserve())
    await rig.clock.advance(0)
    ids.push(job.acquisition?.instanceId)
  }
  expect(ids).toEqual([oven.begun[0]!.id, oven.begun[1]!.id])
})

test('a job goes to the instance that has its image, also where others are ready', async () => {
  const oven = new Oven()
  const rig = await oven.start({ policies: [{ ...policy, idleCount: 3 }] })
  await rig.clock.advance(60_000)
  oven.begun[1]!.options.has('ruby')
  for (const { end } of [oven.begun[0]!, oven.begun[2]!]) end(new Error('no route'))
  await rig.clock.advance(0)
  const job = rig.begin(rig.scaler.reserve(), { content: 'ruby' })
  await rig.clock.advance(0)
  expect(job.acquisition).toMatchObject({ instanceId: oven.begun[1]!.id, isForContent: true })
})

test('a warm-up that hangs ends at its limit, one that fails at once, and neither condemns the instance', async () => {
  const oven = new Oven()
  const rig = await oven.start({ policies: [{ ...policy, idleCount: 2 }] })
  await rig.clock.advance(60_000)
  oven.begun[0]!.end(new Error('the Engine is full'))
  await rig.clock.advance(120_000)
  expect(oven.begun[1]!.options.signal.aborted).toBe(true)
  expect(oven.told.slice(2)).toEqual([
    'ready: pulling ruby: the Engine is full',
    'ready: pulling ruby: not done within 2 min',
  ])
  expect(rig.scaler.snapshot().supply).toMatchObject({ available: 2, idle: [{}, {}], condemned: [] })
})

test('an instance that is ready is not removed for one that still warms', async () => {
  const oven = new Oven()
  const rig = await oven.start({ policies: [policy] })
  const [first, second] = [await rig.acquire(), await rig.acquire()]
  oven.begun[0]!.end()
  second.condemn('it smells')
  rig.scaler.release(second)
  rig.scaler.configureSchedule([{ ...policy, idleCount: 2 }])
  await rig.clock.advance(60_000)
  rig.scaler.release(first)
  rig.scaler.configureSchedule([{ ...policy, idleCount: 1 }])
  await rig.clock.advance(70_000)
  const removed = (): (string | undefined)[] =>
    oven.decisions
      .filter(({ kind, instance }) => kind === 'remove' && instance !== second.instanceId)
      .map(({ instance }) => instance)
  expect([rig.scaler.instances().length, removed()]).toEqual([3, []])
  for (const { end } of oven.begun) end()
  await rig.clock.advance(0)
  expect(removed()).toEqual([first.instanceId])
})

test('what warms an instance ends when that goes, and when the scaler shuts down', async () => {
  const oven = new Oven()
  const rig = await oven.start({ policies: [{ ...policy, idleCount: 2 }] })
  await rig.clock.advance(60_000)
  const [lost, kept] = oven.begun
  const areAborted = (): (boolean | undefined)[] => [lost, kept].map((each) => each?.options.signal.aborted)
  rig.group.preempt(lost!.id)
  await rig.clock.advance(60_000)
  expect(areAborted()).toEqual([true, false])
  const stopped = rig.scaler.shutdown()
  await rig.clock.advance(60_000)
  await stopped
  expect(areAborted()).toEqual([true, true])
  expect(oven.told.filter((text) => text.startsWith('ready'))).toEqual([])
})
