import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GroupError } from '../contract/errors.ts'
import { silentLogger } from '../contract/logger.ts'
import { launchAllowance, outstandingCount } from '../provisioner/launches/launch-state.ts'
import { Provisioner } from '../provisioner/provisioner.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { simpleShell } from '../testing/memory-connection.ts'
import { MemoryGroup } from '../testing/memory-group.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { MultiGroup, type MultiGroupOptions } from './multi-group.ts'

const never = new AbortController().signal
const names = ['a', 'b', 'c'] as const
type Name = (typeof names)[number]
const bootMs = 40_000
const maxInstances = 12

/**
 * A provisioner over three groups in memory, and somebody who wants instances and asks as the scaler does: of the first
 * placement that is open.
 */
async function startFleet(
  options: Pick<MultiGroupOptions, 'prefer'>,
  tells: { ids: boolean; tokens: boolean; idempotent?: boolean },
  seed = 1,
) {
  const clock = new ManualClock()
  const groups = Object.fromEntries(
    names.map((name) => [name, new MemoryGroup({ clock, maxSize: 8, bootDelayMs: bootMs, shell: simpleShell, tells })]),
  ) as Record<Name, MemoryGroup>
  const multi = new MultiGroup({
    id: 'multi/test',
    members: names.map((name) => ({ name, create: () => groups[name] })),
    clock,
    random: seededRandom(seed),
    logger: silentLogger,
    ...options,
  })
  const starting = Provisioner.start(
    { group: multi, clock, random: seededRandom(seed), maxInstances, settings: { health: { checkIntervalMs: 0 } } },
    never,
  )
  await clock.advance(0)
  const provisioner = await starting
  const running = () =>
    [...provisioner.instances().values()].filter(({ state, removal }) => state === 'running' && removal === undefined)
  const machines = () => names.flatMap((name) => groups[name].ids)
  let wanted = 0
  const plan = (): void => {
    const launches = provisioner.launchState()
    const alive = [...provisioner.instances().values()].filter(({ removal }) => removal === undefined).length
    const missing = wanted - alive - outstandingCount(launches)
    if (missing <= 0) return
    const placement = names.find((name) => launchAllowance(launches, name).count > 0)
    if (placement !== undefined) provisioner.request(missing, { placement, reason: 'wanted' })
  }
  provisioner.onChange(plan)
  return {
    clock,
    groups,
    provisioner,
    running,
    machines,
    want(count: number) {
      wanted = count
      plan()
    },
    /** As the scaler's own heartbeat, and what the provisioner hears of boots. */
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 1000) {
        plan()
        await clock.advance(Math.min(left, 1000))
        for (const { id } of running()) provisioner.reportSuccess(id)
        expect(machines().length).toBeLessThanOrEqual(maxInstances)
      }
    },
    async end() {
      const ending = provisioner.shutdown({ removeInstances: false })
      await clock.advance(60_000)
      await ending
      expect(clock.pendingTimers).toBe(0)
    },
  }
}

const stockOut = new GroupError('capacity', 'none left in this zone')

describe.each(['order', 'weight'] as const)('a fleet over several groups, by %s', (prefer) => {
  const tells = { ids: true, tokens: true }

  it('a stock-out that is told at once costs nothing', async () => {
    const fleet = await startFleet({ prefer }, tells)
    fleet.groups.a.fail('increase', stockOut, Number.POSITIVE_INFINITY)
    fleet.want(10)
    await fleet.pass(bootMs + 3000)
    expect(fleet.running()).toHaveLength(10)
    await fleet.end()
  })

  it('a stock-out that shows only after the launch costs one launch time', async () => {
    const fleet = await startFleet({ prefer }, tells)
    fleet.groups.a.bootsFailed = 1000
    fleet.groups.a.bootError = stockOut
    fleet.want(10)
    await fleet.pass(2 * bootMs + 6000)
    expect(fleet.running()).toHaveLength(10)
    expect(fleet.machines()).toHaveLength(10)
    await fleet.end()
  })

  it('a group whose machines never work does not get one after the other', async () => {
    const fleet = await startFleet({ prefer }, tells)
    fleet.groups.a.bootsFailed = 1000
    fleet.want(4)
    await fleet.pass(30 * 60_000)
    expect(fleet.running()).toHaveLength(4)
    const tried = fleet.groups.a.calls.filter(({ operation }) => operation === 'increase').length
    expect(tried).toBeLessThan(12)
    await fleet.end()
  })

  it('a group that refuses for good stops nobody else, also when it alone was asked', async () => {
    const fleet = await startFleet({ prefer }, tells)
    fleet.want(maxInstances)
    await fleet.pass(60_000)
    fleet.groups.a.fail('increase', stockOut)
    fleet.groups.b.fail('increase', new GroupError('conflict', 'another change'))
    fleet.groups.c.fail('increase', new GroupError('auth', 'not allowed'), Number.POSITIVE_INFINITY)
    fleet.groups.b.preempt(fleet.groups.b.ids[0] ?? '')
    for (let second = 0; second < 180; second += 1) {
      await fleet.pass(1000)
      expect(fleet.provisioner.launchState().breaker).toEqual({ state: 'closed' })
    }
    expect(fleet.running()).toHaveLength(maxInstances)
    await fleet.end()
  })

  it('a cloud that does not answer holds nobody else up', async () => {
    const fleet = await startFleet({ prefer }, tells)
    fleet.want(3)
    await fleet.pass(60_000)
    for (const operation of ['list', 'increase', 'decrease'] as const)
      fleet.groups.a.fail(operation, { kind: 'hang' }, Number.POSITIVE_INFINITY)
    await fleet.pass(120_000)
    fleet.want(8)
    await fleet.pass(bootMs + 40_000)
    expect(fleet.running()).toHaveLength(8)
    fleet.groups.a.heal()
    await fleet.pass(120_000)
    expect(fleet.running()).toHaveLength(8)
    expect(fleet.provisioner.launchState().breaker).toEqual({ state: 'closed' })
    await fleet.end()
  })
})

const fault = fc.oneof(
  fc.record({
    do: fc.constant('refuse' as const),
    code: fc.constantFrom(
      'capacity',
      'quota',
      'throttled',
      'auth',
      'invalid_config',
      'not_found',
      'conflict',
      'not_ready',
      'transient',
    ),
    times: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({
    do: fc.constantFrom('lose' as const, 'lateStockOut' as const, 'bootsFail' as const),
    times: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ do: fc.constant('partly' as const), count: fc.nat(3) }),
  fc.record({
    do: fc.constant('unreadable' as const),
    code: fc.constantFrom('transient', 'auth', 'throttled'),
    times: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({ do: fc.constant('preempt' as const) }),
)
const step = fc.oneof(
  fc.record({ do: fc.constant('want' as const), count: fc.nat(maxInstances) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1000, 10_000, 60_000, 400_000) }),
  fc.record({ do: fc.constant('fault' as const), where: fc.constantFrom(...names), fault }),
)

const numRuns = Number(process.env['RUNS'] ?? 60)

describe('a fleet over several groups under faults', () => {
  it('never has more than it may, and has what is wanted once the faults stop', {
    timeout: 60_000 + 1000 * numRuns,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 30, size: 'max' }),
        fc.constantFrom('order' as const, 'price' as const, 'weight' as const),
        fc.record({ ids: fc.boolean(), tokens: fc.boolean(), idempotent: fc.boolean() }),
        fc.nat(),
        async (steps, prefer, tells, seed) => {
          const fleet = await startFleet({ prefer }, tells, seed)
          for (const action of steps) {
            if (action.do === 'want') fleet.want(action.count)
            else if (action.do === 'pass') await fleet.pass(action.ms)
            else strike(fleet.groups[action.where], action.fault)
          }
          for (const name of names) fleet.groups[name].heal()
          fleet.want(maxInstances)
          await fleet.pass(75 * 60_000)
          expect(fleet.running()).toHaveLength(maxInstances)
          const ids = names.flatMap((name) => fleet.groups[name].ids.map((id) => `${name}/${id}`))
          expect([...fleet.provisioner.instances().keys()].toSorted()).toEqual(ids.toSorted())
          expect(fleet.provisioner.launchState()).toMatchObject({ outstanding: [], breaker: { state: 'closed' } })
          await fleet.end()
        },
      ),
      { numRuns },
    )
  })
})

function strike(group: MemoryGroup, action: typeof fault extends fc.Arbitrary<infer Fault> ? Fault : never): void {
  if (action.do === 'refuse') group.fail('increase', new GroupError(action.code, 'refused'), action.times)
  else if (action.do === 'lose') group.fail('increase', { kind: 'afterActing', error: new Error('cut') }, action.times)
  else if (action.do === 'partly') group.acceptOnly = { count: action.count, error: stockOut }
  else if (action.do === 'unreadable') group.fail('list', new GroupError(action.code, 'unreadable'), action.times)
  else if (action.do === 'preempt') group.preempt(group.ids[0] ?? '')
  else {
    group.bootsFailed = action.times
    group.bootError = action.do === 'lateStockOut' ? stockOut : undefined
  }
}
