// Loaded now: simulated time goes on without calls that wait for something else than the cloud.
import '@azure/arm-compute'
import '@azure/identity'
import { type ManagedCloud, Managers } from '@runner-core/testkit/clouds/managers'
import { expectOneOwner } from '@runner-core/testkit/clouds/two-managers'
import { describe, expect, test } from 'vitest'
import { AzureCloud } from './azure-cloud.ts'

const lags = { appearMs: 1000, bootMs: 20_000, deleteMs: 5000 }

const managed = (cloud: AzureCloud): ManagedCloud => ({
  fake: cloud.fake,
  group: (clock) => cloud.group({}, { clock }),
})

describe.each(['Uniform', 'Flexible'] as const)(
  'a launch on a %s set whose answer a killed manager never got',
  (mode) => {
    test.each(['when accepted', 'when shown'] as const)(
      'is left to the next, which takes its machines by their tags and removes the one that somebody else asked for (tagged %s)',
      async (tagged) => {
        const managers = new Managers()
        const { time } = managers
        await using cloud = await AzureCloud.start({ mode, clock: time.clock, lags, tagged })
        const { controls } = cloud.fake
        const first = await managers.start(managed(cloud))
        first.request(1, { reason: 'test' })
        await time.pass(40_000)
        const [old] = controls.machines()

        // The stranger's is the older one: by number it would be taken first.
        const stranger = await controls.addForeign!()
        await time.pass(lags.appearMs)
        controls.inject!({ kind: 'lost_answer', on: 'increase' })
        first.request(2, { reason: 'test' })
        await time.pass(250)
        expect(first.launchState().outstanding).toMatchObject([{ phase: 'uncertain', count: 2 }])
        const ours = controls.machines().filter((id) => id !== old && id !== stranger)
        expect(ours).toHaveLength(2)
        controls.heal!()

        const next = await managers.start(managed(cloud))
        await time.pass(40_000)
        expect(next.launchState().outstanding).toEqual([])
        expect(Object.fromEntries([...next.instances().values()].map(({ id, cause }) => [id, cause]))).toEqual(
          Object.fromEntries([old!, ...ours].map((id) => [id, 'requested'])),
        )
        expect(new Set(controls.machines())).toEqual(new Set([old, ...ours]))
        expect(cloud.fake.capacity).toBe(3)
        await time.until(next.shutdown({ removeInstances: false }))
      },
    )

    test('is asked for again by the next, if the request never arrived: a raise of as many by somebody else is not taken for it', async () => {
      const managers = new Managers()
      const { time } = managers
      await using cloud = await AzureCloud.start({ mode, clock: time.clock, lags })
      const { controls } = cloud.fake
      const first = await managers.start(managed(cloud))
      first.request(1, { reason: 'test' })
      await time.pass(40_000)
      const kept = controls.machines()
      controls.inject!({ kind: 'reset', on: 'increase' })
      first.request(2, { reason: 'test' })
      await time.pass(250)
      expect(cloud.fake.capacity).toBe(1)
      controls.heal!()
      await controls.resize!(2)
      await time.pass(lags.appearMs)
      const strangers = controls.machines().filter((id) => !kept.includes(id))
      expect(strangers).toHaveLength(2)

      const next = await managers.start(managed(cloud))
      await time.pass(40_000)
      expect(next.launchState().outstanding).toEqual([])
      expect(controls.machines()).toHaveLength(3)
      expect(controls.machines()).toEqual(expect.arrayContaining([...kept]))
      expect(controls.machines().filter((id) => strangers.includes(id))).toEqual([])
      expect([...next.instances().values()].map(({ cause }) => cause)).toEqual(['requested', 'requested', 'requested'])
      expect(cloud.fake.capacity).toBe(3)
      await time.until(next.shutdown({ removeInstances: false }))
    })
  },
)

test.each(['Uniform', 'Flexible'] as const)(
  'a launch on a %s set that brings nothing has failed at once, and is given back',
  async (mode) => {
    const managers = new Managers()
    const { time } = managers
    await using cloud = await AzureCloud.start({ mode, clock: time.clock, lags, failedLaunches: 'nothing' })
    const { controls } = cloud.fake
    const manager = await managers.start(managed(cloud), { unknownInstances: 'report' })
    manager.request(1, { reason: 'test' })
    await time.pass(40_000)
    controls.inject!({ kind: 'capacity', on: 'increase', times: 1 })
    manager.request(2, { reason: 'test' })
    await time.pass(60_000)
    expect(manager.launchState().outstanding).toEqual([])
    expect([...manager.instances().values()].map(({ cause }) => cause)).toEqual(['requested'])
    expect(cloud.fake.capacity).toBe(1)
    await time.until(manager.shutdown({ removeInstances: false }))
  },
)

test.each(['Uniform', 'Flexible'] as const)(
  'a %s set belongs to the manager whose owner stands in its tags',
  async (mode) => {
    const managers = new Managers()
    await using cloud = await AzureCloud.start({ mode, clock: managers.time.clock, lags })
    await expectOneOwner(managers, managed(cloud))
  },
)
