import { silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { NoCapacityError, type Reservation } from '@runner-core/taskscaler'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { Concurrency } from './concurrency.ts'
import { type JobAnswer, JobPoller, type JobPollerOptions } from './job-poller.ts'
import type { PollResult } from './poll-pace.ts'

type Job = string

/** A server and a scaler that do what the test says, and count. */
class World {
  readonly clock = new ManualClock()
  slots = 1
  held = 0
  queue: Job[] = []
  /** Requests that are parked, oldest first. */
  readonly parked: { readonly mayPark: boolean; readonly answer: (answer: JobAnswer<Job>) => void }[] = []
  readonly running = new Map<Job, () => void>()
  readonly requestedAt: number[] = []
  parks = true
  refuse: 'refused' | 'failed' | undefined
  #wake = (): void => {}

  poller(options: Partial<JobPollerOptions<Job>> = {}): JobPoller<Job> {
    return new JobPoller<Job>({
      rules: {
        checkIntervalMs: 3_000,
        requestConcurrency: 4,
        unhealthyRequestsLimit: 3,
        strictCheckInterval: false,
        unhealthyIntervalMs: 300_000,
      },
      bounds: [],
      reserve: () => this.#reserve(),
      onCapacity: (wake) => {
        this.#wake = wake
        return () => {}
      },
      ask: (request) => this.#ask(request),
      work: (job, reservation) => this.#work(job, reservation),
      clock: this.clock,
      logger: silentLogger,
      ...options,
    })
  }

  /** Lets everything that can happen now happen. */
  settle(): Promise<void> {
    return this.clock.advance(0)
  }

  addSlots(count: number): void {
    this.slots += count
    this.#wake()
  }

  finish(job: Job): void {
    this.running.get(job)?.()
  }

  #reserve(): Reservation {
    if (this.held >= this.slots) throw new NoCapacityError('max_instances', 'full')
    this.held += 1
    let isOpen = true
    const close = (): void => {
      if (!isOpen) throw new Error('closed twice')
      isOpen = false
      this.held -= 1
      this.#wake()
    }
    return { key: 'k', kind: 'slot', readyAt: 0, priority: 0, speculative: true, [Symbol.dispose]: close }
  }

  #ask({ mayPark, signal }: { readonly mayPark: boolean; readonly signal: AbortSignal }): Promise<JobAnswer<Job>> {
    this.requestedAt.push(this.clock.now())
    const job = this.queue.shift()
    if (this.refuse !== undefined) return Promise.resolve({ result: this.refuse })
    if (job !== undefined) return Promise.resolve({ result: 'job', job })
    if (!this.parks || !mayPark) return Promise.resolve({ result: 'none' })
    return new Promise((resolve, reject) => {
      this.parked.push({ mayPark, answer: resolve })
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }

  async #work(job: Job, reservation: Reservation): Promise<void> {
    await new Promise<void>((resolve) => this.running.set(job, resolve))
    this.running.delete(job)
    reservation[Symbol.dispose]()
  }
}

let world: World
beforeEach(() => {
  world = new World()
})
const jobs = (count: number): Job[] => Array.from({ length: count }, (_, index) => `job ${index}`)

describe('asking', () => {
  test('never without a promise of capacity', async () => {
    world.slots = 0
    world.queue = jobs(1)
    const poller = world.poller()
    await world.clock.advance(60_000)
    expect(world.requestedAt).toEqual([])
    expect(poller.state).toBe('without capacity')
    world.addSlots(1)
    await world.settle()
    expect([...world.running.keys()]).toEqual(['job 0'])
  })

  test('goes on at once while jobs come, until no slot is free, and again as one is', async () => {
    world.slots = 3
    world.queue = jobs(5)
    world.poller()
    await world.settle()
    expect([...world.running.keys()]).toEqual(['job 0', 'job 1', 'job 2'])
    world.finish('job 1')
    await world.settle()
    expect([...world.running.keys()]).toEqual(['job 0', 'job 2', 'job 3'])
    expect(world.clock.now()).toBe(1_000_000)
  })

  test('a runner at rest has one request parked, and holds one promise', async () => {
    world.slots = 10
    world.queue = jobs(6)
    world.poller()
    await world.settle()
    for (const job of jobs(6)) world.finish(job)
    for (let round = 0; round < 20; round += 1) {
      for (const { answer } of world.parked.splice(0)) answer({ result: 'none' })
      await world.clock.advance(50_000)
    }
    expect(world.parked).toHaveLength(1)
    expect(world.held).toBe(1)
  })

  test('a server that answers at once is asked once per check interval', async () => {
    world.parks = false
    world.poller()
    await world.clock.advance(9_500)
    expect(world.requestedAt.map((at) => at - 1_000_000)).toEqual([0, 3_000, 6_000, 9_000])
  })

  test('a promise is given back when no job came', async () => {
    world.parks = false
    world.poller()
    await world.settle()
    expect(world.held).toBe(0)
  })
})

describe('bounds', () => {
  test('limit and concurrent count jobs and requests together', async () => {
    world.slots = 10
    world.queue = jobs(8)
    const [global, own] = [new Concurrency(3), new Concurrency(5)]
    const poller = world.poller({ bounds: [global, own] })
    await world.settle()
    expect(poller.jobCount).toBe(3)
    expect(poller.state).toBe('at its limit')
    expect([global.used, own.used]).toEqual([3, 3])
    world.finish('job 0')
    await world.settle()
    expect([...world.running.keys()]).toEqual(['job 1', 'job 2', 'job 3'])
  })

  test('two runners share `concurrent` in turns', async () => {
    const other = new World()
    const shared = new Concurrency(1)
    world.queue = jobs(3)
    other.queue = jobs(3)
    world.poller({ bounds: [shared] })
    other.poller({ bounds: [shared] })
    const order: string[] = []
    for (let round = 0; round < 4; round += 1) {
      await world.settle()
      for (const [name, { running }] of [
        ['one', world],
        ['other', other],
      ] as const) {
        for (const end of running.values()) {
          order.push(name)
          end()
        }
      }
    }
    expect(order).toEqual(['one', 'other', 'one', 'other'])
  })

  test('a request that keeps others from a place does not park', async () => {
    world.poller({ bounds: [new Concurrency(1)], mayPark: () => false })
    await world.settle()
    expect(world.parked).toEqual([])
    expect(world.requestedAt).toHaveLength(1)
  })
})

describe('refusals and failures', () => {
  test('three refusals pause the runner, and each is logged as a refusal of the token', async () => {
    world.refuse = 'refused'
    const lines: string[] = []
    const write = (_fields: object, message: string): void => void lines.push(message)
    const logger = { ...silentLogger, warn: write, error: write }
    const poller = world.poller({ logger })
    await world.clock.advance(60_000)
    expect(world.requestedAt).toHaveLength(3)
    expect(poller.state).toBe('paused')
    expect(lines).toEqual([
      "GitLab refuses the runner's token",
      "GitLab refuses the runner's token",
      "GitLab refuses the runner's token, paused: correct token in config.toml and restart, or allow the runner on the server",
    ])
    expect(poller.trouble).toMatchObject({ isRefusal: true })
    world.refuse = undefined
    await world.clock.advance(300_000)
    expect(poller.state).toBe('asking')
  })

  test('a token that stays refused costs one request per pause, and one line that says what to do', async () => {
    world.refuse = 'refused'
    const errors: string[] = []
    const logger = { ...silentLogger, error: (_fields: object, message: string) => void errors.push(message) }
    world.poller({ logger })
    await world.clock.advance(60_000)
    await world.clock.advance(4 * 300_000)
    expect(world.requestedAt).toHaveLength(3 + 4)
    expect(errors).toHaveLength(1 + 4)
  })

  test('a request that throws is a failure like any other', async () => {
    const poller = world.poller({ ask: () => Promise.reject(new Error('network')) })
    await world.clock.advance(10_000)
    expect(poller.counters).toMatchObject({ requests: 3, requestFailures: 3 })
    expect(world.held).toBe(0)
  })

  test('trouble is told with its begin and the last error, until an answer is of use', async () => {
    let failures = 0
    const answers: (JobAnswer<Job> | undefined)[] = [
      { result: 'none' },
      undefined,
      undefined,
      undefined,
      { result: 'none' },
    ]
    const ask = async (): Promise<JobAnswer<Job>> => {
      const answer = answers.shift()
      if (answer === undefined) throw new Error(`failure ${++failures}`)
      return answer
    }
    const poller = world.poller({ ask })
    await world.settle()
    expect(poller.trouble).toBeUndefined()
    const since = world.clock.now() + 3_000
    await world.clock.advance(3_000)
    expect(poller.trouble).toMatchObject({ since, error: { message: 'failure 1' } })
    await world.clock.advance(9_000)
    expect(poller.trouble).toMatchObject({ since, error: { message: 'failure 3' } })
    await world.clock.advance(12_000)
    expect(poller.trouble).toBeUndefined()
  })
})

describe('stopping', () => {
  test('waits for running jobs, and asks for no more', async () => {
    world.queue = jobs(2)
    const poller = world.poller()
    await world.settle()
    let stopped = false
    void poller.stop().then(() => {
      stopped = true
    })
    await world.clock.advance(60_000)
    expect(stopped).toBe(false)
    world.finish('job 0')
    await world.settle()
    expect(stopped).toBe(true)
    expect(world.queue).toEqual(['job 1'])
  })

  test('cuts a parked request, waits a second for a young one, and runs the job that it brings', async () => {
    const poller = world.poller()
    await world.settle()
    const stopped = poller.stop()
    await world.settle()
    world.parked[0]?.answer({ result: 'job', job: 'late' })
    await world.settle()
    expect([...world.running.keys()]).toEqual(['late'])
    world.finish('late')
    await stopped

    const other = new World()
    const parked = other.poller()
    await other.clock.advance(2_000)
    await parked.stop()
    expect(other.held).toBe(0)
  })
})

test('it passes at least every few seconds, whatever it waits for', async () => {
  world.refuse = 'refused'
  const poller = world.poller()
  for (let round = 0; round < 100; round += 1) {
    await world.clock.advance(5_000)
    expect(world.clock.now() - poller.passedAt).toBeLessThanOrEqual(5_000)
  }
})

test('a wall clock that jumps changes nothing', async () => {
  world.parks = false
  world.poller()
  for (const jump of [86_400_000, -172_800_000, 1, -1]) {
    world.clock.jumpWallTime(jump)
    await world.clock.advance(3_000)
  }
  expect(world.requestedAt).toHaveLength(5)
})

test('whatever is answered and however jobs end, promises and places are exact, and all are back at the end', async () => {
  const step = fc.oneof(
    fc.record({ answer: fc.constantFrom<Exclude<PollResult, 'job'>>('none', 'conflict', 'failed') }),
    fc.record({ enqueue: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ finish: fc.nat() }),
    fc.record({ pass: fc.integer({ min: 1, max: 4_000 }) }),
    fc.record({ slots: fc.constantFrom(-1, 1, 2) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const world = new World()
      const bound = new Concurrency(3)
      const poller = world.poller({ bounds: [bound] })
      let count = 0
      for (const step of steps) {
        if ('answer' in step) world.parked.shift()?.answer({ result: step.answer })
        if ('enqueue' in step) {
          for (let each = 0; each < step.enqueue; each += 1) {
            const job = `job ${count++}`
            const request = world.parked.shift()
            if (request) request.answer({ result: 'job', job })
            else world.queue.push(job)
          }
        }
        if ('finish' in step) [...world.running.values()][step.finish % Math.max(1, world.running.size)]?.()
        if ('slots' in step) world.addSlots(step.slots)
        await world.clock.advance('pass' in step ? step.pass : 0)
        expect(world.held).toBe(poller.requestCount + poller.jobCount)
        expect(bound.used).toBe(poller.requestCount + poller.jobCount)
        expect(bound.used).toBeLessThanOrEqual(3)
        if (world.queue.length > 0 && world.held < Math.min(world.slots, 3))
          expect(poller.pace.nextAt).toBeGreaterThan(world.clock.now())
      }
      const stopped = poller.stop()
      for (const end of world.running.values()) end()
      await world.clock.advance(2_000)
      await stopped
      expect([world.held, bound.used, world.clock.pendingTimers]).toEqual([0, 0, 0])
    }),
    { numRuns: 150 },
  )
})
