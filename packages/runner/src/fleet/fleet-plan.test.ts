import { GroupError } from '@runner-core/fleeting'
import { ManualClock, MemoryGroup } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { parseConfig } from '../config/parse-config.ts'
import { type FleetPlan, readFleetPlan } from './fleet-plan.ts'

const config = (autoscaler: string): string => `[[runners]]
name = "a"
url = "http://gitlab.example.com"
token = "glrt-token"
executor = "instance"
[runners.autoscaler]
plugin = "memory"
${autoscaler}`

async function planFor(group: MemoryGroup, clock: ManualClock, autoscaler: string): Promise<FleetPlan> {
  const runner = parseConfig(config(autoscaler)).settings.runners[0]!
  const findPlugin = async (): Promise<{ createInstanceGroup: () => MemoryGroup }> => ({ createInstanceGroup: () => group })
  return readFleetPlan(runner, { findPlugin, clock, random: () => 0, signal: new AbortController().signal })
}

test('says what a start would do, and only reads', async () => {
  const clock = new ManualClock()
  const group = new MemoryGroup({ clock, maxSize: 5 })
  const { plan, maxInstances, policy } = await planFor(
    group,
    clock,
    'capacity_per_instance = 2\nmax_instances = 10\n[[runners.autoscaler.policy]]\nidle_count = 3\n',
  )
  expect(plan.increase).toEqual([{ count: 2, reason: expect.stringContaining('3 to keep idle') }])
  expect(maxInstances).toBe(5)
  expect(policy.idleCount).toBe(3)
  expect(group.calls.map(({ operation }) => operation)).toEqual(['init', 'list', 'shutdown'])
})

test('what exists counts: running as ready, creating as coming, failed as to be removed', async () => {
  const clock = new ManualClock()
  const group = new MemoryGroup({ clock })
  const { signal } = new AbortController()
  await group.increase({ count: 1, launchToken: 'one' }, signal)
  group.bootsFailed = 1
  await group.increase({ count: 1, launchToken: 'two' }, signal)
  group.bootsStuck = 1
  await group.increase({ count: 1, launchToken: 'three' }, signal)
  await clock.advance(1)
  const policy = '[[runners.autoscaler.policy]]\nidle_time = "1h"\nidle_count = '
  const { plan, instances } = await planFor(group, clock, `${policy}2`)
  expect(instances.map(({ state }) => state)).toEqual(['running', 'failed', 'creating'])
  expect(plan.increase).toEqual([])
  expect(plan.remove).toEqual([{ id: instances[1]?.id, reason: expect.stringContaining('failed') }])
  expect((await planFor(group, clock, `${policy}4`)).plan.increase).toMatchObject([{ count: 2 }])
})

test('a launch throttle and a full group hold back, with the reason', async () => {
  const clock = new ManualClock()
  const policy = '[[runners.autoscaler.policy]]\nidle_count = 9\n'
  const throttled = await planFor(
    new MemoryGroup({ clock }),
    clock,
    `[runners.autoscaler.scale_throttle]\nlimit = 0.1\nburst = 2\n${policy}`,
  )
  expect(throttled.plan).toMatchObject({ increase: [{ count: 2 }], heldBack: { count: 7, blockedBy: 'throttle' } })
  const full = await planFor(new MemoryGroup({ clock, maxSize: 4 }), clock, policy)
  expect(full.plan).toMatchObject({ increase: [{ count: 4 }], heldBack: { count: 5, blockedBy: 'max_instances' } })
})

test('a group that cannot be read is shut down, and its error comes through', async () => {
  const clock = new ManualClock()
  const group = new MemoryGroup({ clock })
  group.fail('list', { kind: 'error', error: new GroupError('auth', 'no permission to list') })
  await expect(planFor(group, clock, '')).rejects.toMatchObject({ code: 'auth' })
  expect(group.isShutDown).toBe(true)
})

test('a group that is none, or that says nothing of itself, is an error in words', async () => {
  const clock = new ManualClock()
  const group = (changes: object): MemoryGroup => Object.assign(new MemoryGroup({ clock }), changes)
  await expect(planFor(group({ shutdown: undefined }), clock, '')).rejects.toThrow("the plugin's group lacks shutdown")
  await expect(planFor(group({ init: async () => ({}) }), clock, '')).rejects.toThrow('init: id: expected a non-empty string, got nothing')
})
