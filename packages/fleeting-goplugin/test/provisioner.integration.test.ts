// A fleet through a plugin that is killed in the middle of what it does: never more than was asked for, nothing left in
// the end.
import { systemClock } from '@runner-core/fleeting'
import { Provisioner } from '@runner-core/fleeting/provisioner'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createGoPluginGroup } from '../src/index.ts'
import { FakePluginFile } from './fake-plugin-file.ts'

const never = new AbortController().signal
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, 20_000)
const connector = { connect: () => Promise.reject(new Error('nobody connects here')) }

let plugin: FakePluginFile
let provisioner: Provisioner
beforeEach(async () => {
  plugin = new FakePluginFile()
  const ignore = (): void => {}
  const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
  const context = { fleet: 'killed', connector: {}, logger, clock: systemClock, random: () => 0 }
  provisioner = await Provisioner.start(
    {
      group: createGoPluginGroup(plugin.file)({}, context),
      connector,
      maxInstances: 10,
      settings: {
        updateIntervalMs: 300,
        updateIntervalWhenExpectingMs: 100,
        listLagMs: 300,
        deletionRetryIntervalMs: 60_000,
        health: { checkIntervalMs: 0 },
      },
      random: () => 0,
    },
    never,
  )
})
afterEach(async () => {
  plugin.faults = {}
  await provisioner.shutdown({ removeInstances: false })
  plugin.remove()
})

const running = (): number => [...provisioner.instances().values()].filter(({ state }) => state === 'running').length
/** Its process has ended by it; the next one is well. */
async function onceKilled(): Promise<void> {
  await eventually(() => expect(provisioner.groupTrouble).toBeDefined())
  plugin.faults = {}
}

test.each(['dieIn', 'dieAfter'] as const)(
  'killed once it was asked for machines (%s): as many come as were wanted, once',
  async (fault) => {
    plugin.faults = { [fault]: 'Increase' }
    expect(provisioner.request(3, { reason: 'a test' })).toBe(3)
    await onceKilled()
    await eventually(() => expect(running()).toBe(3))
    expect(plugin.machines).toHaveLength(3)
    // Asked again only where a list showed that nothing had come of it.
    expect(plugin.called('Increase')).toHaveLength(fault === 'dieIn' ? 2 : 1)
  },
)

test.each(['dieIn', 'dieAfter'] as const)(
  'killed once it was told to remove one (%s): it goes, and no other',
  async (fault) => {
    provisioner.request(3, { reason: 'a test' })
    await eventually(() => expect(running()).toBe(3))
    const [first, ...others] = [...provisioner.instances().keys()] as [string, ...string[]]
    plugin.faults = { [fault]: 'Decrease' }
    provisioner.remove([first], 'a test')
    await onceKilled()
    await eventually(() => expect(plugin.machines.map(({ id }) => id).toSorted()).toEqual(others.toSorted()))
  },
)

test('a delete is sent once, however often the list is read before it is done', async () => {
  provisioner.request(1, { reason: 'a test' })
  await eventually(() => expect(running()).toBe(1))
  const [id] = [...provisioner.instances().keys()] as [string]
  provisioner.remove([id], 'a test')
  await eventually(() => expect(plugin.machines).toEqual([]))
  const lists = plugin.called('Update').length
  await eventually(() => expect(plugin.called('Update').length).toBeGreaterThan(lists + 5))
  expect(plugin.called('Decrease').map(({ request }) => request)).toEqual([{ instances: [id] }])
})

test('a refusal that came after some were made: those count, and the rest waits', async () => {
  plugin.faults = { increaseOnly: { count: 2, text: 'quota exceeded' } }
  provisioner.request(5, { reason: 'a test' })
  await eventually(() => expect(running()).toBe(2))
  expect(provisioner.counts()).toMatchObject({ requested: 0, pending: 0 })
  expect(provisioner.launchState().backoffs).toMatchObject([{ code: 'quota' }])
  expect(plugin.called('Increase')).toHaveLength(1)
})
