import { describe, expect, it } from 'vitest'
import { never, startFleet } from '../../test/memory-fleet.ts'
import { GroupError } from '../contract/errors.ts'
import { silentLogger } from '../contract/logger.ts'
import { isUsable } from './instances/instance.ts'

describe('remove', () => {
  it('cordons at once, sends one call for many, and ends when list shows them gone', async () => {
    await using fleet = await startFleet({ deleteDelayMs: 5000 })
    const ids = await fleet.launch(3)
    expect(fleet.provisioner.remove([ids[0]!, ids[2]!, 'nobody'], 'idle')).toEqual([ids[0], ids[2]])
    expect(fleet.provisioner.remove([ids[0]!], 'again')).toEqual([ids[0]])
    expect(fleet.instances.map(isUsable)).toEqual([false, true, false])
    expect(fleet.provisioner.counts()).toMatchObject({ running: 1, deleting: 2 })
    await fleet.clock.advance(10_000)
    expect(fleet.calls('decrease').map((call) => call.ids)).toEqual([[ids[0], ids[2]]])
    expect(fleet.ids).toEqual([ids[1]])
  })

  it('sends again what had no effect, ever more rarely', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    fleet.group.deletesIgnored = 4
    const from = fleet.clock.now()
    fleet.provisioner.remove([id!], 'idle')
    await fleet.clock.advance(1_000_000)
    expect(fleet.calls('decrease').map(({ at }) => Math.round((at - from) / 1000))).toEqual([0, 60, 180, 420, 900])
    expect(fleet.ids).toEqual([])
  })

  it('backs off while it is refused, and lets nobody wait for another', async () => {
    await using fleet = await startFleet()
    const [poison, ...others] = await fleet.launch(4)
    const decrease = fleet.group.decrease.bind(fleet.group)
    let calls = 0
    fleet.group.decrease = (ids, signal) => {
      calls += 1
      return ids.includes(poison!) ? Promise.reject(new GroupError('conflict', 'protected')) : decrease(ids, signal)
    }
    fleet.provisioner.remove(fleet.ids, 'idle')
    await fleet.clock.advance(120_000)
    expect(fleet.ids).toEqual([poison])
    expect(others).toHaveLength(3)
    expect(calls).toBeLessThan(15)
  })

  it('heeds the errors of single instances', async () => {
    await using fleet = await startFleet()
    const [good, bad] = await fleet.launch(2)
    let refusals = 2
    const decrease = fleet.group.decrease.bind(fleet.group)
    fleet.group.decrease = async (ids, signal) => {
      refusals -= 1
      const refused = refusals >= 0 ? ids.filter((id) => id === bad) : []
      const { accepted } = await decrease(
        ids.filter((id) => !refused.includes(id)),
        signal,
      )
      return { accepted, errors: refused.map((instanceId) => new GroupError('conflict', 'busy', { instanceId })) }
    }
    fleet.provisioner.remove([good!, bad!], 'idle')
    await fleet.clock.advance(700)
    expect(fleet.ids).toEqual([bad])
    await fleet.clock.advance(20_000)
    expect(fleet.ids).toEqual([])
  })

  it('that lacks permission stops launches until it works', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    fleet.group.fail('decrease', new GroupError('auth', 'may not delete'), 3)
    fleet.provisioner.remove([id!], 'idle')
    await fleet.clock.advance(1000)
    expect(fleet.provisioner.launchState().breaker).toMatchObject({
      state: 'open',
      message: 'decrease: may not delete',
    })
    expect(fleet.provisioner.request(1, { reason: 'test' })).toBe(0)
    await fleet.clock.advance(60_000)
    expect(fleet.provisioner.launchState().breaker).toEqual({ state: 'closed' })
  })
})

describe('a busy instance', () => {
  it('is not removed, whoever asks', async () => {
    await using fleet = await startFleet()
    const [asked, failed] = await fleet.launch(2)
    fleet.busy.add(asked!).add(failed!)
    fleet.group.setState(failed!, 'failed')
    expect(fleet.provisioner.remove([asked!], 'idle')).toEqual([])
    await fleet.clock.advance(3_600_000)
    expect(fleet.calls('decrease')).toEqual([])
    fleet.busy.delete(failed!)
    await fleet.clock.advance(10_000)
    expect(fleet.ids).toEqual([asked])
  })

  it('that came into use after it was marked is let be, and usable again', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    expect(fleet.provisioner.remove([id!], 'idle')).toEqual([id])
    fleet.busy.add(id!)
    await fleet.clock.advance(60_000)
    expect(fleet.calls('decrease')).toEqual([])
    expect(fleet.instances.map(isUsable)).toEqual([true])
  })

  it('that was to be deleted already is not deleted again while it is busy', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    fleet.group.deletesIgnored = 1
    fleet.provisioner.remove([id!], 'idle')
    await fleet.clock.advance(1000)
    fleet.busy.add(id!)
    await fleet.clock.advance(3_600_000)
    expect(fleet.calls('decrease')).toHaveLength(1)
    fleet.busy.delete(id!)
    await fleet.clock.advance(60_000)
    expect(fleet.ids).toEqual([])
  })

  it('is protected through a wait for a throttled group', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    fleet.group.fail('increase', new GroupError('throttled', 'slow down', { retryAfterMs: 30_000 }))
    fleet.provisioner.request(1, { reason: 'test' })
    await fleet.clock.advance(0)
    fleet.provisioner.remove([id!], 'idle')
    await fleet.clock.advance(10_000)
    fleet.busy.add(id!)
    await fleet.clock.advance(60_000)
    expect(fleet.calls('decrease')).toEqual([])
  })

  it('is one that a check cannot tell about', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    const stop = fleet.provisioner.addBusyCheck(() => {
      throw new Error('no idea')
    })
    expect(fleet.provisioner.remove([id!], 'idle')).toEqual([])
    stop()
    expect(fleet.provisioner.remove([id!], 'idle')).toEqual([id])
  })
})

describe('shutdown', () => {
  it('leaves instances alone unless asked, ends the group, and answers every call the same', async () => {
    const fleet = await startFleet()
    const [id] = await fleet.launch(1)
    const connection = await fleet.provisioner.connect(id!, 0, never)
    const first = fleet.provisioner.shutdown({ removeInstances: false })
    expect(fleet.provisioner.shutdown({ removeInstances: true })).toBe(first)
    expect(await first).toEqual({ remaining: [] })
    expect(fleet.group.ids).toEqual([id])
    expect(fleet.group.isShutDown).toBe(true)
    expect(connection.ended).toBeDefined()
    expect(fleet.provisioner.request(1, { reason: 'test' })).toBe(0)
    expect(fleet.provisioner.remove([id!], 'late')).toEqual([])
    expect(fleet.clock.pendingTimers).toBe(0)
  })

  it('removes everything, what is still coming included, and sends deletes again until it is gone', async () => {
    const fleet = await startFleet({ appearDelayMs: 5000, deleteDelayMs: 3000 })
    await fleet.launch(2)
    fleet.group.deletesIgnored = 1
    fleet.provisioner.request(2, { reason: 'test' })
    await fleet.clock.advance(100)
    const ending = fleet.provisioner.shutdown({ removeInstances: true })
    await fleet.clock.advance(30_000)
    expect(await ending).toEqual({ remaining: [] })
    expect(fleet.group.ids).toEqual([])
    expect(fleet.clock.pendingTimers).toBe(0)
  })

  it('waits for busy instances as long as it may, removes none of them, and reports those that are left', async () => {
    const fleet = await startFleet()
    const [busy] = await fleet.launch(2)
    fleet.busy.add(busy!)
    const ending = fleet.provisioner.shutdown({ removeInstances: true, timeoutMs: 20_000 })
    await fleet.clock.advance(19_000)
    expect(fleet.group.ids).toEqual([busy])
    expect(fleet.group.isShutDown).toBe(false)
    await fleet.clock.advance(2000)
    expect(await ending).toEqual({ remaining: [busy] })
    expect(fleet.group.ids).toEqual([busy])
  })

  it('removes a busy instance once it is free', async () => {
    const fleet = await startFleet()
    const [busy] = await fleet.launch(1)
    fleet.busy.add(busy!)
    const ending = fleet.provisioner.shutdown({ removeInstances: true, timeoutMs: 20_000 })
    await fleet.clock.advance(5000)
    fleet.busy.delete(busy!)
    await fleet.clock.advance(5000)
    expect(await ending).toEqual({ remaining: [] })
    expect(fleet.group.ids).toEqual([])
  })

  it.each(['hang', 'deaf'] as const)('is over in time when every call is %s', async (kind) => {
    const fleet = await startFleet()
    const [id] = await fleet.launch(1)
    for (const operation of ['list', 'decrease', 'shutdown'] as const) fleet.group.fail(operation, { kind }, Infinity)
    const ending = fleet.provisioner.shutdown({ removeInstances: true, timeoutMs: 20_000 })
    await fleet.clock.advance(20_000 + 60_000)
    expect(await ending).toEqual({ remaining: [id] })
    expect(fleet.clock.pendingTimers).toBe(0)
  })

  it.each([
    ['ids', true],
    ['launches', false],
  ])('names what was asked for and may still come: %s', async (_, ids) => {
    const errors: unknown[] = []
    const logger = { ...silentLogger, error: (...line: unknown[]) => errors.push(line) }
    const fleet = await startFleet({ appearDelayMs: 60_000, tells: { ids }, provisioner: { logger } })
    fleet.provisioner.request(2, { reason: 'test' })
    await fleet.clock.advance(100)
    const [launch] = fleet.provisioner.launchState().outstanding
    const ending = fleet.provisioner.shutdown({ removeInstances: true })
    await fleet.clock.advance(19_999)
    const made = fleet.group.ids
    expect(fleet.calls('decrease')).toEqual([])
    await fleet.clock.advance(10_001)
    const { remaining } = await ending
    await fleet.clock.advance(60_000)
    expect(remaining).toEqual(ids ? made : [`launch ${launch!.launchToken} (2 requested)`])
    // What is known by its id is deleted unseen, shortly before the end.
    expect(fleet.calls('decrease').map((call) => call.ids)).toEqual(ids ? [made] : [])
    expect(fleet.group.ids).toEqual(ids ? [] : made)
    expect(made).toHaveLength(2)
    expect(errors).toEqual([[{ missing: remaining }, expect.stringContaining('did not appear')]])
  })

  it.each([
    ['ids', true],
    ['launches', false],
  ])('names what was given up, since it may come all the same, and does not wait for it: %s', async (_, ids) => {
    const fleet = await startFleet({ tells: { ids } })
    fleet.group.launchesLost = 2
    fleet.provisioner.request(2, { reason: 'test' })
    await fleet.clock.advance(100)
    const [launch] = fleet.provisioner.launchState().outstanding
    await fleet.clock.advance(700_000)
    expect(fleet.provisioner.launchState().outstanding).toEqual([])
    const ending = fleet.provisioner.shutdown({ removeInstances: true })
    await fleet.clock.advance(1000)
    expect((await ending).remaining).toEqual(ids ? ['m-1', 'm-2'] : [`launch ${launch!.launchToken} (2 requested)`])
    expect(fleet.calls('decrease').map((call) => call.ids)).toEqual(ids ? [['m-1', 'm-2']] : [])
  })

  it.each<[string, (Error | number)[], number, readonly string[]]>([
    ['all of it', [0], 1, []],
    ['a part', [1], 1, ['launch']],
    ['all of it, asked again', [new GroupError('conflict', 'busy'), new GroupError('transient', 'down'), 0], 3, []],
    [
      'nothing, asked as long as there is time',
      Array.from({ length: 9 }, () => new GroupError('transient', 'down')),
      3,
      ['launch'],
    ],
    ['nothing, for good', [new GroupError('auth', 'forbidden')], 1, ['launch']],
  ])(
    'names what was asked for only as far as the group cannot give it back: %s',
    async (_, answers, calls, expected) => {
      const fleet = await startFleet({ appearDelayMs: 3_600_000, tells: { ids: false } })
      let asked = 0
      fleet.group.giveBack = async () => {
        const answer = answers[asked++]!
        if (typeof answer === 'number') return answer
        throw answer
      }
      fleet.provisioner.request(2, { reason: 'test' })
      await fleet.clock.advance(100)
      const [{ launchToken } = { launchToken: '' }] = fleet.provisioner.launchState().outstanding
      const ending = fleet.provisioner.shutdown({ removeInstances: true })
      await fleet.clock.advance(29_999)
      expect(asked).toBe(0)
      await fleet.clock.advance(10_001)
      expect(await ending).toEqual({ remaining: expected.map((name) => `${name} ${launchToken} (2 requested)`) })
      expect(asked).toBe(calls)
    },
  )

  it('removes nothing more once its time is up, while the group is asked to give back', async () => {
    const fleet = await startFleet()
    const [id] = await fleet.launch(1)
    fleet.busy.add(id!)
    fleet.group.giveBack = () => new Promise(() => {})
    const ending = fleet.provisioner.shutdown({ removeInstances: true, timeoutMs: 20_000 })
    await fleet.clock.advance(20_000)
    fleet.busy.delete(id!)
    await fleet.clock.advance(5_000)
    expect(fleet.calls('decrease')).toEqual([])
    await fleet.clock.advance(60_000)
    expect((await ending).remaining).toContain(id)
    expect(fleet.group.ids).toEqual([id])
  })

  it('names what nobody here asked for, and the group cannot give back', async () => {
    const fleet = await startFleet()
    fleet.group.giveBack = async () => 3
    expect(await fleet.provisioner.shutdown({ removeInstances: true })).toEqual({
      remaining: ['3 requested instances that have not appeared'],
    })
  })

  it('gives nothing back when the machines stay', async () => {
    const fleet = await startFleet()
    fleet.group.giveBack = () => Promise.reject(new Error('it was asked'))
    expect(await fleet.provisioner.shutdown({ removeInstances: false })).toEqual({ remaining: [] })
  })

  it('sends the delete of what was given up until it is accepted, as long as there is time', async () => {
    const fleet = await startFleet()
    fleet.group.launchesLost = 1
    fleet.provisioner.request(1, { reason: 'test' })
    await fleet.clock.advance(700_000)
    fleet.group.fail('decrease', new GroupError('transient', 'try again'), 2)
    const ending = fleet.provisioner.shutdown({ removeInstances: true })
    await fleet.clock.advance(30_000)
    expect(await ending).toEqual({ remaining: ['m-1'] })
    expect(fleet.calls('decrease').map(({ failed }) => failed)).toEqual(['transient', 'transient', undefined])
  })

  it.each([
    ['by its id', { ids: true, tokens: false }],
    ['by its token', { ids: false, tokens: true }],
    ['for want of another launch', { ids: false, tokens: false }],
  ])('does not name what was given up and came late, known %s', async (_, tells) => {
    const fleet = await startFleet({ appearDelayMs: 700_000, tells })
    fleet.provisioner.request(2, { reason: 'test' })
    await fleet.clock.advance(690_000)
    expect(fleet.provisioner.launchState().outstanding).toEqual([])
    await fleet.clock.advance(100_000)
    expect(fleet.instances.map(({ cause }) => cause)).toEqual(['requested', 'requested'])
    const ending = fleet.provisioner.shutdown({ removeInstances: true })
    await fleet.clock.advance(1000)
    expect(await ending).toEqual({ remaining: [] })
  })

  it('names what was given up for an hour', async () => {
    const fleet = await startFleet()
    fleet.group.launchesLost = 1
    fleet.provisioner.request(1, { reason: 'test' })
    await fleet.clock.advance(600_000 + 2 * 3_600_000)
    expect(await fleet.provisioner.shutdown({ removeInstances: true })).toEqual({ remaining: [] })
  })

  it('does not name what was never sent', async () => {
    const fleet = await startFleet()
    fleet.provisioner.request(2, { reason: 'test' })
    expect(await fleet.provisioner.shutdown({ removeInstances: true, signal: AbortSignal.abort() })).toEqual({
      remaining: [],
    })
    expect(fleet.calls('increase')).toEqual([])
  })

  it('ends early when it is told to', async () => {
    const fleet = await startFleet({ deleteDelayMs: 60_000 })
    const [id] = await fleet.launch(1)
    const controller = new AbortController()
    const ending = fleet.provisioner.shutdown({ removeInstances: true, signal: controller.signal })
    await fleet.clock.advance(1000)
    controller.abort()
    expect(await ending).toEqual({ remaining: [id] })
    expect(fleet.calls('decrease')).toHaveLength(1)
  })
})
