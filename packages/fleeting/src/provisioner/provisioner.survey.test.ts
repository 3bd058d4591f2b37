import { describe, expect, it } from 'vitest'
import { never } from '../../test/memory-fleet.ts'
import { GroupError } from '../contract/errors.ts'
import { Provisioner, type ProvisionerOptions } from '../provisioner/index.ts'
import { MemoryStateStore } from '../state/index.ts'
import { ManualClock, MemoryGroup } from '../testing/index.ts'

function cloud(maxSize = 10): { group: MemoryGroup; clock: ManualClock } {
  const clock = new ManualClock()
  return { clock, group: new MemoryGroup({ clock, maxSize }) }
}

describe('survey', () => {
  it('tells what a start finds and removes at once, and only reads', async () => {
    const { group, clock } = cloud()
    const [running, failed] = [group.addForeign(), group.addForeign()]
    group.setState(failed, 'failed', 'no disk')
    const lease = await new MemoryStateStore().lease('test')
    const writes: unknown[] = []
    lease.write = async (changes) => void writes.push(changes)
    const { info, instances, launches } = await Provisioner.survey({ group, clock, maxInstances: 4, lease }, never)
    await clock.advance(3_600_000)
    expect(info.id).toBe('memory/test')
    expect(instances.get(running)).toMatchObject({ cause: 'adopted', state: 'running' })
    expect(instances.get(running)?.removal).toBeUndefined()
    expect(instances.get(failed)?.removal?.reason).toBe('failed: no disk')
    expect(launches).toMatchObject({ known: 2, maxInstances: 4, maximumOf: 'configuration', closed: false })
    expect(group.calls.map(({ operation }) => operation)).toEqual(['init', 'list', 'shutdown'])
    expect(writes).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  it('writes nothing about instances that an earlier process asked for', async () => {
    const { group, clock } = cloud()
    const store = new MemoryStateStore()
    const provisioner = await Provisioner.start({ group, clock, lease: await store.lease('test') }, never)
    provisioner.request(1, { reason: 'test' })
    await clock.advance(0)
    await provisioner.shutdown({ removeInstances: false })
    await clock.advance(60_000)
    const lease = await store.lease('test', { takeover: true })
    const before = await lease.load(['launch', 'instance'])
    const { instances } = await Provisioner.survey({ group, clock, lease }, never)
    await clock.advance(0)
    expect([...instances.values()]).toMatchObject([{ cause: 'requested' }])
    expect(await lease.load(['launch', 'instance'])).toEqual(before)
  })

  it('is what a start then finds', async () => {
    const { group, clock } = cloud()
    for (const state of ['creating', 'running', 'suspended', 'deleting', 'failed', 'unknown'] as const)
      group.addForeign(state)
    const options: ProvisionerOptions = {
      group,
      clock,
      maxInstances: 8,
      settings: { launchThrottle: { perSecond: 2 } },
    }
    const survey = await Provisioner.survey(options, never)
    const provisioner = await Provisioner.start(options, never)
    expect(provisioner.instances()).toEqual(survey.instances)
    expect(provisioner.launchState()).toEqual(survey.launches)
    await provisioner.shutdown({ removeInstances: false })
  })

  it('fails as a start does, and ends the group', async () => {
    const fails = async (
      start: (options: ProvisionerOptions, signal: AbortSignal) => Promise<unknown>,
    ): Promise<unknown> => {
      const { group, clock } = cloud(5)
      const error = await start({ group, clock, maxInstances: 6 }, never).catch((thrown: unknown) => thrown)
      expect(group.isShutDown).toBe(true)
      return error
    }
    const error = await fails((options, signal) => Provisioner.survey(options, signal))
    expect(error).toEqual(
      new GroupError('invalid_config', 'max_instances: expected at most 5, the maximum of group memory/test, got 6'),
    )
    expect(await fails((options, signal) => Provisioner.start(options, signal))).toEqual(error)
  })
})

describe('the launch state', () => {
  it.each([
    [undefined, 10, 'group'],
    [0, 10, 'group'],
    [4, 4, 'configuration'],
    [10, 10, 'configuration'],
  ])('with max_instances %s: at most %d, by the %s', async (configured, maxInstances, maximumOf) => {
    const { group, clock } = cloud(10)
    const { launches } = await Provisioner.survey(
      { group, clock, ...(configured !== undefined && { maxInstances: configured }) },
      never,
    )
    expect(launches).toMatchObject({ maxInstances, maximumOf })
  })

  it.each([
    [Infinity, { perSecond: 0.1 }, 1],
    [Infinity, { perSecond: 7 }, 7],
    [Infinity, { perSecond: 7, burst: 3 }, 3],
    [5, { perSecond: 7 }, 5],
    [0, { perSecond: 7 }, 1],
  ])('of a group of at most %d throttled to %j lets %d go at once', async (maxSize, launchThrottle, burst) => {
    const { group, clock } = cloud(maxSize)
    const { launches } = await Provisioner.survey({ group, clock, settings: { launchThrottle } }, never)
    expect(launches.throttle).toEqual({ tokens: burst, burst, perSecond: launchThrottle.perSecond })
  })
})
