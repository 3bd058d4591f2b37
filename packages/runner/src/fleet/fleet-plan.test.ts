import { GroupError, type InstanceState, silentLogger } from '@runner-core/fleeting'
import { ManualClock, MemoryGroup, type MemoryGroupOptions, simpleShell } from '@runner-core/fleeting/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseConfig } from '../config/parse-config.ts'
import type { RunnerSettings } from '../config/settings.ts'
import { startFleet } from './fleet.ts'
import { type FleetPlan, readFleetPlan, readFleetPlans } from './fleet-plan.ts'
import { GroupClaims } from './group-claims.ts'

const never = new AbortController().signal

const settings = (autoscaler: string, name = 'a'): RunnerSettings =>
  parseConfig(`[[runners]]
name = "${name}"
url = "http://gitlab.example.com"
token = "glrt-token"
executor = "instance"
[runners.autoscaler]
plugin = "memory"
${autoscaler}`).settings.runners[0]!

const policy = (idleCount: number, idleTime = '1h'): string =>
  `[[runners.autoscaler.policy]]\nidle_time = "${idleTime}"\nidle_count = ${idleCount}\n`

/** A cloud in which nothing that was asked for comes to its end while one looks. */
class Cloud {
  readonly clock = new ManualClock()
  readonly group: MemoryGroup

  constructor(states: readonly InstanceState[] = [], options: Partial<MemoryGroupOptions> = {}) {
    this.group = new MemoryGroup({
      clock: this.clock,
      shell: simpleShell,
      appearDelayMs: 600_000,
      deleteDelayMs: 600_000,
      ...options,
    })
    for (const state of states) this.group.addForeign(state)
  }

  plan(autoscaler: string): Promise<FleetPlan> {
    return readFleetPlan(settings(autoscaler), { ...this.context, settings: {}, signal: never })
  }

  /** What a start asks of the group at once. */
  async run(
    autoscaler: string,
    claimGroup: (id: string) => void = () => {},
  ): Promise<{ increase: number; remove: readonly string[] }> {
    const from = this.group.calls.length
    const { scaler } = await startFleet(
      {
        runner: settings(`take_over_group = true\n${autoscaler}`),
        ...this.context,
        observers: { provisioner: {}, taskscaler: {} },
        freePlaces: () => 100,
        claimGroup,
        logger: silentLogger,
      },
      never,
    )
    await this.clock.advance(500)
    const calls = this.group.calls.slice(from)
    await scaler.shutdown({ removeInstances: false })
    return {
      increase: calls.reduce((sum, { request }) => sum + (request?.count ?? 0), 0),
      remove: calls.flatMap(({ operation, ids = [] }) => (operation === 'decrease' ? ids : [])).toSorted(),
    }
  }

  private get context() {
    return { findPlugin: async () => ({ createInstanceGroup: () => this.group }), clock: this.clock, random: () => 0 }
  }
}

test('says what a start would do, and only reads', async () => {
  const cloud = new Cloud([], { maxSize: 5 })
  const {
    plan,
    maxInstances,
    policy: inForce,
  } = await cloud.plan(`capacity_per_instance = 2\nmax_instances = 4\n${policy(3)}`)
  expect(plan.increase).toEqual([{ count: 2, reason: expect.stringContaining('3 to keep idle') }])
  expect(maxInstances).toBe(4)
  expect(inForce.idleCount).toBe(3)
  expect(cloud.group.calls.map(({ operation }) => operation)).toEqual(['init', 'list', 'shutdown'])
})

test('says who has the group, where the group can, and claims nothing', async () => {
  const cloud = new Cloud(['running'], { holdsOwner: true })
  expect((await cloud.plan('')).owners).toEqual([])
  const owner = { id: 'there', name: 'fleet of somebody', epoch: 3, since: 0 }
  cloud.group.owner = owner
  expect((await cloud.plan('')).owners).toEqual([owner])
  expect(cloud.group.owner).toBe(owner)
  expect(await new Cloud().plan('')).not.toHaveProperty('owners')
})

describe('a start does what the plan says', () => {
  const states = fc.array(
    fc.constantFrom<InstanceState>(
      'creating',
      'running',
      'suspending',
      'suspended',
      'resuming',
      'deleting',
      'failed',
      'unknown',
    ),
    { maxLength: 6 },
  )
  const configured = fc.record({
    capacity: fc.integer({ min: 1, max: 3 }),
    maxUseCount: fc.constantFrom(0, 2),
    maxInstances: fc.constantFrom(0, 6, 9),
    throttle: fc.constantFrom('', '[runners.autoscaler.scale_throttle]\nlimit = 0.1\n'),
    idleCount: fc.nat(12),
    idleTime: fc.constantFrom('0s', '1h'),
    maxSize: fc.constantFrom(9, Infinity),
  })

  test('about whatever it finds', async () => {
    await fc.assert(
      fc.asyncProperty(
        states,
        configured,
        async (found, { capacity, maxUseCount, maxInstances, throttle, idleCount, idleTime, maxSize }) => {
          const cloud = new Cloud(found, { maxSize })
          const limits = `capacity_per_instance = ${capacity}\nmax_use_count = ${maxUseCount}\nmax_instances = ${maxInstances}\n`
          const autoscaler = `${limits}${throttle}${policy(idleCount, idleTime)}`
          const { plan } = await cloud.plan(autoscaler)
          expect(await cloud.run(autoscaler)).toEqual({
            increase: plan.increase.reduce((sum, { count }) => sum + count, 0),
            remove: plan.remove.map(({ id }) => id).toSorted(),
          })
        },
      ),
    )
  })

  test('running is ready, creating is coming, failed is removed', async () => {
    const cloud = new Cloud(['running', 'failed', 'creating'])
    const { plan, instances } = await cloud.plan(policy(2))
    expect(instances.map(({ state }) => state)).toEqual(['running', 'failed', 'creating'])
    expect(plan).toMatchObject({ increase: [], remove: [{ id: instances[1]?.id, reason: 'failed' }] })
    expect((await cloud.plan(policy(4))).plan.increase).toMatchObject([{ count: 2 }])
    expect(await cloud.run(policy(4))).toEqual({ increase: 2, remove: [instances[1]?.id] })
  })

  test('with a max_use_count, what was there before is replaced', async () => {
    const cloud = new Cloud(['running', 'creating'])
    const autoscaler = `max_use_count = 3\n${policy(1)}`
    const { ids } = cloud.group
    const { plan } = await cloud.plan(autoscaler)
    const reason = 'it existed before, and its use count is unknown'
    expect(plan).toMatchObject({ increase: [{ count: 1 }], remove: ids.map((id) => ({ id, reason })) })
    expect(await cloud.run(autoscaler)).toEqual({ increase: 1, remove: ids })
  })

  test.each(['suspending', 'suspended', 'resuming'] as const)('what is %s is removed', async (state) => {
    const cloud = new Cloud([state])
    const { plan } = await cloud.plan('')
    expect(plan.remove).toEqual([{ id: cloud.group.ids[0], reason: `it was suspended from outside, it is ${state}` }])
    expect(await cloud.run('')).toEqual({ increase: 0, remove: cloud.group.ids })
  })

  test('a launch throttle and a full group hold back, and the plan says why', async () => {
    const throttled = new Cloud()
    const limited = `[runners.autoscaler.scale_throttle]\nlimit = 0.1\nburst = 2\n${policy(9)}`
    expect((await throttled.plan(limited)).plan).toMatchObject({
      increase: [{ count: 2 }],
      heldBack: { count: 7, blockedBy: 'throttle' },
    })
    expect(await throttled.run(limited)).toMatchObject({ increase: 2 })
    const full = new Cloud([], { maxSize: 4 })
    const { plan, maximumOf } = await full.plan(policy(9))
    expect(maximumOf).toBe('group')
    expect(plan).toMatchObject({
      increase: [{ count: 4 }],
      heldBack: {
        count: 5,
        blockedBy: 'max_instances',
        reason: expect.stringMatching(/^the group's own maximum of 4 is reached/),
      },
    })
    expect(await full.run(policy(9))).toMatchObject({ increase: 4 })
  })

  test('a max_instances above the maximum of the group is refused alike', async () => {
    const cloud = new Cloud([], { maxSize: 5 })
    const message = 'max_instances: expected at most 5, the maximum of group memory/test, got 10'
    const refused = new GroupError('invalid_config', message)
    await expect(cloud.plan('max_instances = 10\n')).rejects.toEqual(refused)
    await expect(cloud.run('max_instances = 10\n')).rejects.toEqual(refused)
    expect(cloud.group.calls.map(({ operation }) => operation)).toEqual(['init', 'shutdown', 'init', 'shutdown'])
  })

  test('a group that another runner has is refused alike', async () => {
    const cloud = new Cloud()
    const claims = new GroupClaims()
    await cloud.run('', (id) => claims.claim(id, 'a'))
    const error = await cloud.run('', (id) => claims.claim(id, 'b')).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'group_taken', groupId: 'memory/test', owner: 'a' })
    const options = {
      settings: {},
      findPlugin: async () => ({ createInstanceGroup: () => cloud.group }),
      clock: cloud.clock,
      random: () => 0,
      signal: never,
    }
    const [first, second] = await readFleetPlans([settings('', 'a'), settings('', 'b')], options)
    expect(first).toMatchObject({ status: 'fulfilled', value: { runner: 'a' } })
    expect(second).toEqual({ status: 'rejected', reason: error })
  })
})

test('a group that cannot be read is shut down, and its error comes through', async () => {
  const cloud = new Cloud()
  cloud.group.fail('list', { kind: 'error', error: new GroupError('auth', 'no permission to list') })
  await expect(cloud.plan('')).rejects.toMatchObject({ code: 'auth' })
  expect(cloud.group.isShutDown).toBe(true)
})

test('a group that is none, or that says nothing of itself, is an error in words', async () => {
  const planFor = (changes: object): Promise<FleetPlan> => {
    const cloud = new Cloud()
    Object.assign(cloud.group, changes)
    return cloud.plan('')
  }
  await expect(planFor({ shutdown: undefined })).rejects.toThrow("the plugin's group lacks shutdown")
  await expect(planFor({ init: async () => ({}) })).rejects.toThrow(
    'init: id: expected a non-empty string, got nothing',
  )
})
