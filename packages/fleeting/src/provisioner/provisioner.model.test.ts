import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Clock } from '../contract/clock.ts'
import { GroupError, type GroupErrorCode, groupErrorCodes } from '../contract/errors.ts'
import type { DecreaseResult, IncreaseRequest, IncreaseResult, ListedInstance } from '../contract/instance-group.ts'
import type { FleetLease, StateChange } from '../state/state-store.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import type { MemoryOperation } from '../testing/memory-calls.ts'
import { simpleShell } from '../testing/memory-connection.ts'
import { MemoryGroup, type MemoryGroupOptions } from '../testing/memory-group.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { isUsable } from './instances/instance.ts'
import { launchAllowance } from './launches/launch-state.ts'
import { Provisioner } from './provisioner.ts'
import type { ProvisionerSettingsInput } from './settings.ts'

const never = new AbortController().signal
const max = 6

/** Short enough that a run covers every timeout. */
const settings: ProvisionerSettingsInput = {
  launchTimeoutMs: 60_000,
  stuckTimeoutMs: 90_000,
  callTimeoutMs: 15_000,
  deletionRetryIntervalMs: 10_000,
  breakerProbe: { baseMs: 30_000, maxMs: 120_000 },
}

type Step =
  | { readonly do: 'request'; readonly count: number }
  | { readonly do: 'advance'; readonly ms: number }
  | {
      readonly do:
        | 'remove'
        | 'acquire'
        | 'acquireRogue'
        | 'release'
        | 'preempt'
        | 'connect'
        | 'good'
        | 'bad'
        | 'isolate'
      readonly which: number
    }
  | {
      readonly do: 'force'
      readonly which: number
      readonly state: 'failed' | 'unknown' | 'deleting' | 'creating' | 'suspended'
    }
  | {
      readonly do: 'fail'
      readonly operation: MemoryOperation
      readonly code: GroupErrorCode
      readonly kind: 'error' | 'afterActing'
      readonly times: number
    }
  | { readonly do: 'hang'; readonly operation: MemoryOperation; readonly kind: 'hang' | 'deaf' }
  | { readonly do: 'partial'; readonly count: number; readonly code: GroupErrorCode }
  | { readonly do: 'launchesLost' | 'bootsStuck' | 'bootsFailed' | 'deletesIgnored'; readonly count: number }
  | { readonly do: 'foreign' | 'deletesStuck' | 'cutNetwork' | 'mendNetwork' }
  | { readonly do: 'jump'; readonly ms: number }
  | { readonly do: 'lie'; readonly how: Lie; readonly times: number }

/** What is wrong with what `list` answers. */
type Lie = 'empty' | 'stale' | 'partial' | 'repeated' | 'reordered'

const which = fc.nat(20)
const code = fc.constantFrom(...groupErrorCodes)
const operation = fc.constantFrom<MemoryOperation>('list', 'increase', 'decrease', 'connect', 'heartbeat')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('request' as const), count: fc.integer({ min: 1, max: 8 }) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.constantFrom(0, 1, 300, 2000, 7000, 20_000, 65_000),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'remove',
        'remove',
        'acquire',
        'acquire',
        'acquireRogue',
        'release',
        'preempt',
        'connect',
        'good',
        'bad',
        'isolate',
      ),
      which,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('force' as const),
      which,
      state: fc.constantFrom('failed', 'unknown', 'deleting', 'creating', 'suspended'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      operation,
      code,
      kind: fc.constantFrom('error', 'afterActing'),
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('hang' as const), operation, kind: fc.constantFrom('hang', 'deaf') }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('partial' as const), count: fc.nat(3), code }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('launchesLost', 'bootsStuck', 'bootsFailed', 'deletesIgnored'),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('foreign', 'deletesStuck', 'cutNetwork', 'mendNetwork') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('lie' as const),
      how: fc.constantFrom<Lie>('empty', 'empty', 'stale', 'stale', 'partial', 'repeated', 'reordered'),
      times: fc.constantFrom(1, 2, 3, 10, 40),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('jump' as const), ms: fc.constantFrom(-86_400_000, 3_600_000) }),
  },
)

const cloud = fc.record({
  seed: fc.nat(),
  tells: fc.record({ ids: fc.boolean(), tokens: fc.boolean(), idempotent: fc.boolean(), byId: fc.boolean() }),
  appearDelayMs: fc.constantFrom(0, 3000),
  bootDelayMs: fc.constantFrom(0, 5000),
  deleteDelayMs: fc.constantFrom(0, 4000),
  callDelayMs: fc.constantFrom(0, 700),
  checks: fc.boolean(),
  unknownInstances: fc.constantFrom('report' as const, 'remove' as const),
})

/** Refuses what must never be asked for, at the moment it is asked for. */
class WatchedGroup extends MemoryGroup {
  readonly broken: string[] = []
  readonly isBusy: (id: string) => boolean
  readonly isAnnounced: (kind: string, key: string) => boolean
  readonly foreign = new Set<string>()
  readonly clock: Clock
  /**
   * Instances that somebody holds, until it is given back or the machine is really gone, whatever the provisioner
   * believes.
   */
  readonly leased = new Set<string>()
  lie: { readonly how: Lie; left: number } = { how: 'empty', left: 0 }
  /** A machine that did not answer when it was asked is out of reach, as far as anybody can know. */
  hasDeafMachines = false
  readonly #shown: (readonly ListedInstance[])[] = []

  constructor(
    options: MemoryGroupOptions,
    isBusy: (id: string) => boolean,
    isAnnounced: (kind: string, key: string) => boolean,
  ) {
    super(options)
    this.clock = options.clock
    this.isBusy = isBusy
    this.isAnnounced = isAnnounced
  }

  override list(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const atOnce = this.calls.filter(({ operation, at }) => operation === 'list' && at === this.clock.now()).length
    if (atOnce < 10) return this.#answer(signal)
    // Answering would let it go on for ever.
    this.broken.push('list is called again and again')
    return new Promise(() => {})
  }

  async #answer(signal: AbortSignal): Promise<readonly ListedInstance[]> {
    const rows = await super.list(signal)
    this.#shown.push(rows)
    if (this.lie.left === 0) return rows
    this.lie.left -= 1
    switch (this.lie.how) {
      case 'empty':
        return []
      case 'stale':
        return this.#shown.at(-8) ?? []
      case 'partial':
        return rows.filter((_, index) => index % 3 === 0)
      case 'repeated':
        return [...rows, ...rows]
      case 'reordered':
        return rows.toReversed()
    }
  }

  override heal(): void {
    super.heal()
    this.lie.left = 0
  }

  /** Whether the machine is there and can be reached. */
  lives(id: string): boolean {
    return (
      !this.hasDeafMachines && this.stateOf(id) === 'running' && this.unreachable !== 'all' && !this.unreachable.has(id)
    )
  }

  override async increase(request: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    if (!this.isAnnounced('launch', request.launchToken))
      this.broken.push(`launch ${request.launchToken} was not announced`)
    try {
      return await super.increase(request, signal)
    } finally {
      const ours = this.ids.filter((id) => !this.foreign.has(id))
      if (ours.length > max) this.broken.push(`${ours.length} machines, the maximum is ${max}`)
    }
  }

  override decrease(ids: readonly string[], signal: AbortSignal): Promise<DecreaseResult> {
    for (const id of ids) {
      if (this.isBusy(id)) this.broken.push(`busy ${id} was to be deleted`)
      if (this.leased.has(id) && this.lives(id)) this.broken.push(`${id} lives, is leased, and was to be deleted`)
      if (!this.isAnnounced('removal', id)) this.broken.push(`the removal of ${id} was not announced`)
    }
    return super.decrease(ids, signal)
  }
}

class Journal implements FleetLease {
  readonly fleet = 'test'
  readonly epoch = 1
  readonly lost = new AbortController().signal
  readonly wanted = new AbortController().signal
  freeze = (): void => {}
  readonly records = new Map<string, unknown>()
  load = async () => []
  release = async () => {}
  async write(changes: readonly StateChange[]): Promise<void> {
    for (const { kind, key, value } of changes) {
      if (value === null) this.records.delete(`${kind} ${key}`)
      else this.records.set(`${kind} ${key}`, value)
    }
  }
}

async function play(
  steps: readonly Step[],
  { seed, checks, unknownInstances, ...options }: typeof cloud extends fc.Arbitrary<infer Cloud> ? Cloud : never,
): Promise<void> {
  const clock = new ManualClock()
  const journal = new Journal()
  const busy = new Set<string>()
  const group = new WatchedGroup(
    { clock, maxSize: 20, shell: simpleShell, capabilities: ['heartbeat'], ...options },
    (id) => busy.has(id),
    (kind, key) => journal.records.has(`${kind} ${key}`),
  )
  const starting = Provisioner.start(
    {
      group,
      clock,
      random: seededRandom(seed),
      lease: journal,
      unknownInstances,
      maxInstances: max,
      settings: { ...settings, health: { checkIntervalMs: checks ? 20_000 : 0, massFailureProbeMs: 60_000 } },
      isBusy: (id) => busy.has(id),
    },
    never,
  )
  await clock.advance(2000)
  const provisioner = await starting
  let sawOurs = false
  const seen = new Set(provisioner.instances().keys())
  provisioner.onChange((changes) => {
    for (const { kind, instance } of changes) {
      sawOurs ||= instance.cause === 'requested'
      seen.add(instance.id)
      if (kind !== 'gone') continue
      if (busy.has(instance.id) && group.lives(instance.id))
        group.broken.push(`${instance.id} lives, is leased, and was given up`)
      busy.delete(instance.id)
      // Given up, or removed as far as anybody could see, it is counted no more.
      if (group.ids.includes(instance.id)) group.foreign.add(instance.id)
      // One that is out of reach, and that only lists can tell about, may be given up alive.
      if (!options.tells.byId || group.ids.every((id) => id !== instance.id)) group.leased.delete(instance.id)
    }
  })
  const pick = (index: number): string | undefined =>
    [...provisioner.instances().keys()][index % Math.max(1, provisioner.instances().size)]

  const check = (): void => {
    expect(group.broken).toEqual([])
    const state = provisioner.launchState()
    for (const { phase, deadlineAt = Infinity, requestedAt } of state.outstanding) {
      if (phase !== 'sent') expect(deadlineAt).toBeGreaterThan(provisioner.listedAt)
      // Calls that hang or fail, a list that does so too, and the deadline itself: nothing is outstanding for longer.
      expect(clock.now() - requestedAt).toBeLessThan(300_000)
    }
    expect(state.throttle.tokens).toBeGreaterThanOrEqual(0)
  }

  for (const action of steps) {
    act(action)
    await clock.advance(0)
    check()
    if (action.do === 'advance') {
      await clock.advance(action.ms)
      check()
    }
  }

  function act(action: Step): void {
    switch (action.do) {
      case 'request': {
        // A launch that a wrong list does not show may be asked for again.
        if (group.lie.left > 0) return
        const allowed = launchAllowance(provisioner.launchState()).count
        expect(provisioner.request(action.count, { reason: 'test' })).toBe(Math.min(action.count, allowed))
        return
      }
      case 'remove':
        provisioner.remove([pick(action.which) ?? 'nobody'], 'test')
        return
      case 'acquire':
      case 'acquireRogue': {
        const instance = provisioner.instances().get(pick(action.which) ?? '')
        if (instance !== undefined && (action.do === 'acquireRogue' || isUsable(instance))) {
          busy.add(instance.id)
          group.leased.add(instance.id)
        }
        return
      }
      case 'release':
        group.leased.delete([...busy][action.which % Math.max(1, busy.size)] ?? '')
        busy.delete([...busy][action.which % Math.max(1, busy.size)] ?? '')
        return
      case 'lie':
        if (provisioner.launchState().outstanding.length === 0) group.lie = { how: action.how, left: action.times }
        return
      case 'preempt':
        group.preempt(pick(action.which) ?? '')
        return
      case 'connect':
        provisioner.connect(pick(action.which) ?? '', 0, never).catch(() => {})
        return
      case 'good':
        provisioner.reportSuccess(pick(action.which) ?? '')
        return
      case 'bad':
        provisioner.reportFailure(pick(action.which) ?? '', new Error('the ready command failed'))
        return
      case 'isolate':
        group.unreachable = new Set([pick(action.which) ?? ''])
        return
      case 'force':
        group.setState(pick(action.which) ?? '', action.state)
        return
      case 'fail':
        group.hasDeafMachines ||= action.operation === 'connect' && !options.tells.byId
        // A refusal is believed once `list` does not contradict it: a cloud that both lies and shows its machines late
        // cannot be seen through.
        group.fail(
          action.operation,
          {
            kind: action.kind,
            error: new GroupError(options.appearDelayMs > 0 ? 'transient' : action.code, 'a fault'),
          },
          action.times,
        )
        return
      case 'hang':
        group.hasDeafMachines ||= action.operation === 'connect' && !options.tells.byId
        group.fail(action.operation, { kind: action.kind })
        return
      case 'partial':
        group.acceptOnly = { count: action.count, error: new GroupError(action.code, 'only some') }
        return
      case 'foreign':
        // Who shows neither ids nor tokens cannot be asked whose a machine is: then a foreign one passes for ours, and
        // ours comes on top.
        if (options.tells.tokens && sawOurs) group.foreign.add(group.addForeign())
        return
      case 'deletesStuck':
        group.deletesStuck = true
        return
      case 'cutNetwork':
        group.unreachable = 'all'
        return
      case 'mendNetwork':
        group.unreachable = new Set()
        return
      case 'jump':
        clock.jumpWallTime(action.ms)
        return
      case 'launchesLost':
      case 'bootsStuck':
      case 'bootsFailed':
      case 'deletesIgnored':
        group[action.do] = action.count
        return
      case 'advance':
    }
  }

  // Faults stop, work ends: what remains is what there really is, and nothing is under way.
  group.heal()
  busy.clear()
  group.leased.clear()
  await clock.advance(20 * 60_000)
  check()
  expect([...provisioner.instances().keys()].toSorted()).toEqual(group.ids.toSorted())
  expect(provisioner.launchState().outstanding).toEqual([])
  for (const instance of provisioner.instances().values()) {
    if (instance.cause === 'unexpected' && unknownInstances === 'report') continue
    expect(instance).toMatchObject({ missed: false })
    expect(instance.removal).toBeUndefined()
    expect(['running', 'suspended']).toContain(instance.state)
  }
  const ours = [...provisioner.instances().values()].filter(({ cause }) => cause !== 'unexpected')
  expect([...journal.records.keys()].filter((key) => key !== 'fleet launches told').toSorted()).toEqual(
    [
      'fleet instances journalled',
      'fleet launch token prefix',
      'version fleeting',
      ...ours.map(({ id }) => `instance ${id}`),
    ].toSorted(),
  )
  expect(clock.now() - provisioner.listedAt).toBeLessThan(62_000)

  // And capacity can be had again.
  const { blockedBy, until = clock.now() } = launchAllowance(provisioner.launchState())
  if (blockedBy !== 'max_instances') {
    await clock.advance(until - clock.now() + 1)
    const before = provisioner.instances().size
    expect(provisioner.request(1, { reason: 'test' })).toBe(1)
    await clock.advance(30_000)
    expect(provisioner.instances().size).toBe(before + 1)
    expect(provisioner.launchState().breaker).toEqual({ state: 'closed' })
  }

  const ending = provisioner.shutdown({ removeInstances: true })
  await clock.advance(30_000)
  // Launches that came to nothing may be named: nobody can know that they did.
  expect((await ending).remaining.filter((name) => seen.has(name))).toEqual([])
  const strangers = [...provisioner.instances().values()].filter(({ cause }) => cause === 'unexpected')
  expect(group.ids.toSorted()).toEqual(unknownInstances === 'remove' ? [] : strangers.map(({ id }) => id).toSorted())
  expect(group.isShutDown).toBe(true)
  expect(clock.pendingTimers).toBe(0)
}

/** `RUNS=20000` for a long search. A failure prints the seed, and the shortest way there. */
const numRuns = Number(process.env['RUNS'] ?? 200)

describe('Provisioner under faults', () => {
  it('keeps its promises whatever the cloud does, and converges once that stops', {
    timeout: 60_000 + 20 * numRuns,
  }, async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), cloud, play), {
      numRuns,
    })
  })
})
