import { GroupError } from '@runner-core/fleeting'
import { isUsable, outstandingCount, Provisioner } from '@runner-core/fleeting/provisioner'
import { ManualClock, MemoryGroup, seededRandom, simpleShell } from '@runner-core/fleeting/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { QueueDepth } from '../demand/queue-depth.ts'
import type { IdlePolicy, ResolvedPolicy } from '../plan/policy.ts'
import { type Acquisition, AlreadyEndedError, NoCapacityError, type Reservation } from '../slots/acquisition.ts'
import { usageRecords } from '../slots/usage-records.ts'
import { Taskscaler } from '../taskscaler.ts'

const second = 1000
const minute = 60 * second
const promiseCapMs = 5 * minute
const nothingKept: IdlePolicy = {
  periods: ['* * * * *'],
  timezone: 'UTC',
  idleCount: 0,
  idleTimeMs: 30 * second,
  scaleFactor: 0,
  scaleFactorLimit: 0,
}
/** Schedules that a run may switch between. */
const schedules: readonly (readonly IdlePolicy[])[] = [
  [nothingKept],
  [{ ...nothingKept, idleCount: 3, idleTimeMs: 2 * minute, preemptiveMode: true }],
  [nothingKept, { ...nothingKept, periods: ['*/4 * * * *'], idleCount: 2, preemptiveMode: false }],
  [{ ...nothingKept, scaleFactor: 0.5, scaleFactorLimit: 3, idleTimeMs: 0 }],
  [],
]

interface Limits {
  readonly capacityPerInstance: number
  readonly maxUseCount: number
  readonly maxInstances: number
}

interface Waiting {
  readonly reservation: Reservation
  readonly cancel: AbortController
  replans: number
}

/** The scaler on a cloud in memory, and a bystander who writes down who holds, who waits, and what must not happen. */
class World {
  readonly clock: ManualClock = new ManualClock()
  readonly group: MemoryGroup
  readonly queue: QueueDepth
  readonly limits: Limits
  readonly problems: string[] = []
  provisioner!: Provisioner
  scaler!: Taskscaler
  open: Reservation[] = []
  waiting: Waiting[] = []
  readonly lent: Set<Acquisition> = new Set()
  /** The policy under which idle instances were removed, until something happens for which more may be made. */
  #shrankUnder: ResolvedPolicy | undefined
  /** Instances that a `list` has shown. */
  readonly #listed = new Set<string>()

  constructor(seed: number, limits: Limits) {
    const random = seededRandom(seed)
    const between = (low: number, high: number) => () => Math.round((low + random() * (high - low)) * second)
    this.limits = limits
    this.group = new MemoryGroup({
      clock: this.clock,
      shell: simpleShell,
      maxSize: 30,
      appearDelayMs: between(0, 5),
      bootDelayMs: between(5, 60),
      deleteDelayMs: between(0, 20),
    })
    this.queue = new QueueDepth({ name: 'queue', clock: this.clock, timeToLiveMs: 3 * minute })
    const decrease = this.group.decrease.bind(this.group)
    this.group.decrease = (ids, signal) => {
      for (const { instanceId } of this.lent)
        if (ids.includes(instanceId)) this.problems.push(`${instanceId} was deleted with a job on it`)
      return decrease(ids, signal)
    }
  }

  async start(seed: number): Promise<void> {
    const { clock, group, queue, limits } = this
    const settings = {
      updateIntervalMs: 30 * second,
      updateIntervalWhenExpectingMs: 5 * second,
      updateIntervalWhenInUseMs: 10 * second,
      launchTimeoutMs: 2 * minute,
      stuckTimeoutMs: 3 * minute,
      launchThrottle: { perSecond: 0.5, burst: 4 },
      breakerProbe: { baseMs: minute, maxMs: 2 * minute },
      health: { checkIntervalMs: 0 },
    }
    const options = {
      group,
      clock,
      random: seededRandom(seed),
      maxInstances: limits.maxInstances,
      settings,
      unknownInstances: 'remove' as const,
      usage: usageRecords,
    }
    const starting = Provisioner.start(options, new AbortController().signal)
    await clock.advance(0)
    this.provisioner = await starting
    this.#watch(this.provisioner)
    this.scaler = await Taskscaler.start({
      ...limits,
      provisioner: this.provisioner,
      onDispose: 'keep-instances',
      policies: schedules[0]!,
      demand: [queue],
      promiseCapMs,
      clock,
    })
  }

  #watch(provisioner: Provisioner): void {
    const request = provisioner.request.bind(provisioner)
    provisioner.request = (count, options) => {
      const { known, outstanding } = {
        ...provisioner.launchState(),
        outstanding: outstandingCount(provisioner.launchState()),
      }
      const taken = request(count, options)
      if (taken > 0 && known + outstanding + taken > this.limits.maxInstances)
        this.problems.push(`${known} + ${outstanding} + ${taken} is too many`)
      if (taken > 0 && this.#shrankUnder === this.scaler.status().policy)
        this.problems.push(`grew after it shrank: ${options.reason}`)
      return taken
    }
    const remove = provisioner.remove.bind(provisioner)
    provisioner.remove = (ids, reason) => {
      const taken = remove(ids, reason)
      if (taken.length > 0) this.#shrankUnder = reason.startsWith('idle for') ? this.scaler.status().policy : undefined
      return taken
    }
    provisioner.onChange((changes) => {
      for (const { kind, instance } of changes) {
        this.#listed.add(instance.id)
        const isIdleRemoval = instance.removal?.reason.startsWith('idle for') ?? false
        if (!isIdleRemoval && (kind === 'gone' || !isUsable(instance))) this.mayGrow()
      }
    })
  }

  /** New demand, a loss, a machine used up. */
  mayGrow(): void {
    this.#shrankUnder = undefined
  }

  reserve(number: number): void {
    const preemptive = this.scaler.status().policy.preemptiveMode
    try {
      const reservation = this.scaler.reserve({ priority: number % 3, speculative: number % 2 === 0 })
      if (preemptive && reservation.kind !== 'slot') this.problems.push('a promise in preemptive mode')
      this.open.push(reservation)
      this.mayGrow()
    } catch (error) {
      if (!(error instanceof NoCapacityError)) throw error
    }
  }

  acquire(reservation: Reservation): void {
    this.mayGrow()
    const cancel = new AbortController()
    const waiting: Waiting = { reservation, cancel, replans: 0 }
    this.open = this.open.filter((other) => other !== reservation)
    this.waiting.push(waiting)
    this.scaler.acquire(reservation, { signal: cancel.signal, onReplanned: () => waiting.replans++ }).then(
      (acquisition) => this.#granted(waiting, acquisition),
      (error) =>
        cancel.signal.aborted ||
        (error instanceof AlreadyEndedError && !this.waiting.includes(waiting)) ||
        this.problems.push(`acquire failed: ${error}`),
    )
  }

  #granted(waiting: Waiting, acquisition: Acquisition): void {
    const [first] = this.waiting.toSorted((a, b) => b.reservation.priority - a.reservation.priority)
    if (first !== waiting)
      this.problems.push(
        `${waiting.reservation.key} was served before ${first?.reservation.key ?? 'nobody, and had been cancelled'}`,
      )
    this.waiting = this.waiting.filter((other) => other !== waiting)
    for (const other of this.lent) {
      if (other.instanceId === acquisition.instanceId && other.slot === acquisition.slot)
        this.problems.push('a slot was lent twice')
    }
    if (acquisition.slot < 0 || acquisition.slot >= this.limits.capacityPerInstance)
      this.problems.push(`slot ${acquisition.slot}`)
    if (this.limits.maxUseCount > 0 && acquisition.useCount > this.limits.maxUseCount)
      this.problems.push(`use ${acquisition.useCount}`)
    this.lent.add(acquisition)
    acquisition.signal.addEventListener('abort', () => this.lent.delete(acquisition))
  }

  cancel(waiting: Waiting): void {
    this.waiting = this.waiting.filter((other) => other !== waiting)
    waiting.cancel.abort(new Error('cancelled'))
  }

  giveUp(waiting: Waiting): void {
    this.waiting = this.waiting.filter((other) => other !== waiting)
    this.scaler.unreserve(waiting.reservation)
  }

  release(acquisition: Acquisition, dirty: boolean): void {
    if (dirty) {
      acquisition.condemn('left something')
      this.mayGrow()
    }
    this.lent.delete(acquisition)
    this.scaler.release(acquisition)
  }

  async advance(durationMs: number): Promise<void> {
    await this.clock.advance(durationMs)
    const { pending, acquired, reserved, idle } = this.scaler.status().tasks
    expect(this.problems).toEqual([])
    expect({ pending, acquired, reserved }).toEqual({
      pending: this.waiting.length,
      acquired: this.lent.size,
      reserved: this.open.length,
    })
    if (pending > 0) expect(idle).toBe(0)
    const now = this.clock.now()
    for (const { reservation } of this.waiting) {
      expect(reservation.readyAt).toBeGreaterThanOrEqual(now - second)
      expect(reservation.readyAt).toBeLessThanOrEqual(now + promiseCapMs)
      expect(this.scaler.explainWait(reservation)).toMatch(/number \d+ in the queue/)
    }
  }

  /** All troubles end; every job that waits must get its slot, and once nothing is wanted, nothing may be left. */
  async settle(): Promise<void> {
    this.group.heal()
    this.queue.set(0)
    this.scaler.configureSchedule([nothingKept])
    for (let round = 0; this.waiting.length > 0; round++) {
      expect(round, 'jobs starve').toBeLessThan(40)
      await this.advance(2 * minute)
      for (const acquisition of this.lent) this.release(acquisition, false)
      this.mayGrow()
    }
    for (const reservation of this.open) this.scaler.unreserve(reservation)
    this.open = []
    for (const acquisition of this.lent) this.release(acquisition, false)
    const left = (): number =>
      this.group.ids.length + this.provisioner.instances().size + this.provisioner.launchState().outstanding.length
    for (let round = 0; left() > 0; round++) {
      expect(round, `not empty: ${JSON.stringify([...this.provisioner.instances().values()])}`).toBeLessThan(10)
      await this.advance(2 * minute)
    }
    const { increase, remove, drain } = this.scaler.plan()
    expect([increase, remove, drain]).toEqual([[], [], []])
  }

  async end(): Promise<void> {
    const ending = this.scaler.shutdown({ removeInstances: true })
    await this.clock.advance(minute)
    // Launches that came to nothing may be named: nobody can know that they did.
    expect((await ending).remaining.filter((name) => this.#listed.has(name))).toEqual([])
    expect(this.group.ids).toEqual([])
    expect(this.clock.pendingTimers).toBe(0)
  }
}

type Step = (world: World, pick: <T>(from: Iterable<T>) => T | undefined, number: number) => unknown
const onSome = <T>(value: T | undefined, act: (value: T) => void): void =>
  value === undefined ? undefined : act(value)

const ordinary: Record<string, Step> = {
  reserve: (world, _, number) => world.reserve(number),
  unreserve: (world, pick) =>
    onSome(pick(world.open), (reservation) => {
      world.open = world.open.filter((other) => other !== reservation)
      world.scaler.unreserve(reservation)
    }),
  acquire: (world, pick) => onSome(pick(world.open), (reservation) => world.acquire(reservation)),
  reserveAndAcquire(world, _, number) {
    world.reserve(number)
    onSome(world.open.at(-1), (reservation) => world.acquire(reservation))
  },
  cancel: (world, pick) => onSome(pick(world.waiting), (waiting) => world.cancel(waiting)),
  giveUp: (world, pick) => onSome(pick(world.waiting), (waiting) => world.giveUp(waiting)),
  release: (world, pick, number) =>
    onSome(pick(world.lent), (acquisition) => world.release(acquisition, number % 5 === 0)),
  aMoment: (world, _, number) => world.advance(number),
  aWhile: (world, _, number) => world.advance(number * 100),
}
const troubles: Record<string, Step> = {
  queue(world, _, number) {
    world.mayGrow()
    world.queue.set(number % 8)
  },
  schedule(world, pick) {
    world.mayGrow()
    world.scaler.configureSchedule(pick(schedules)!)
  },
  wallClock: (world, _, number) => world.clock.jumpWallTime((number - 500) * minute),
  preempt: (world, pick) => onSome(pick(world.group.ids), (id) => world.group.preempt(id)),
  foreignMachine: (world) => world.group.addForeign(),
  foreignState: (world, pick, number) =>
    onSome(pick(world.group.ids), (id) =>
      world.group.setState(id, (['suspended', 'failed', 'unknown', 'creating'] as const)[number % 4]!),
    ),
  unreachable: (world, pick) =>
    onSome(pick(world.group.ids), (id) => world.group.unreachable instanceof Set && world.group.unreachable.add(id)),
  bootsFail(world) {
    world.group.bootsFailed = 1
    world.group.launchesLost = 1
  },
  bootStuck(world) {
    world.group.bootsStuck = 1
  },
  deletesIgnored(world) {
    world.group.deletesIgnored = 1
  },
  noCapacity: (world) => world.group.fail('increase', new GroupError('capacity', 'no machine of this kind')),
  denied: (world) => world.group.fail('increase', new GroupError('auth', 'not allowed')),
  answerLost: (world) =>
    world.group.fail('increase', { kind: 'afterActing', error: new GroupError('transient', 'connection reset') }),
  listFails: (world) => world.group.fail('list', new GroupError('transient', 'bad gateway'), 2),
  heal: (world) => world.group.heal(),
}
const steps: Record<string, Step> = { ...ordinary, ...troubles }
const names = [...Object.keys(ordinary), ...Object.keys(ordinary), ...Object.keys(ordinary), ...Object.keys(troubles)]

test('the whole loop keeps its promises through whatever happens', { timeout: 120_000 }, async () => {
  const script = fc.array(fc.tuple(fc.constantFrom(...names), fc.nat(999)), { minLength: 30, maxLength: 120 })
  const limits = fc.record({
    capacityPerInstance: fc.integer({ min: 1, max: 3 }),
    maxUseCount: fc.constantFrom(0, 0, 1, 4),
    maxInstances: fc.integer({ min: 1, max: 6 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.nat(), limits, script, async (seed, limit, acts) => {
      const world = new World(seed, limit)
      await world.start(seed)
      for (const [name, number] of acts) {
        await steps[name]!(world, (from) => [...from][number % Math.max(1, [...from].length)], number)
        await world.advance(0)
      }
      await world.settle()
      await world.end()
    }),
    { numRuns: Number(process.env['RUNS'] ?? 40) },
  )
})
