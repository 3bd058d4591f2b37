import { describe, expect, it } from 'vitest'
import { GroupError } from '../../contract/errors.ts'
import type { GroupInfo, GroupRateLimits } from '../../contract/instance-group.ts'
import { ManualClock } from '../../testing/manual-clock.ts'
import { simpleShell } from '../../testing/memory-connection.ts'
import { MemoryGroup, type MemoryGroupOptions } from '../../testing/memory-group.ts'
import { seededRandom } from '../../testing/seeded-random.ts'
import { Provisioner } from '../provisioner.ts'
import { withCallBudget } from './with-call-budget.ts'

const never = new AbortController().signal

class LimitedGroup extends MemoryGroup {
  readonly limits: GroupRateLimits

  constructor(options: MemoryGroupOptions, buckets: GroupRateLimits['buckets']) {
    super(options)
    this.limits = {
      buckets,
      draws: (operation) => ({ [operation === 'list' || operation === 'connectInfo' ? 'read' : 'write']: 1 }),
    }
  }

  override async init(signal: AbortSignal): Promise<GroupInfo> {
    return { ...(await super.init(signal)), rateLimits: this.limits }
  }
}

async function start(size = 4, perSecond = 0.1) {
  const clock = new ManualClock()
  const bucket = { size, perSecond }
  const group = new LimitedGroup({ clock, shell: simpleShell }, { read: bucket, write: bucket })
  const kept = withCallBudget(group, { clock })
  await kept.init(never)
  const calls = (operation: string) => group.calls.filter((call) => call.operation === operation).length
  return { clock, group, kept, calls }
}

describe('withCallBudget', () => {
  it('delays a list when its bucket is low, and polls as often as tokens come back', async () => {
    const { clock, kept, calls } = await start()
    const poll = async (): Promise<void> => {
      for (;;) await kept.list(never)
    }
    void poll()
    await clock.advance(0)
    expect(calls('list')).toBe(3)
    await clock.advance(100_000)
    expect(calls('list')).toBe(13)
  })

  it('a decrease goes at once although lists wait in the same bucket', async () => {
    const { clock, group, kept } = await start()
    const { ids = [] } = await group.increase({ count: 1, launchToken: 't' }, never)
    Object.assign(group.limits, { draws: () => ({ read: 1 }) })
    const lists = Promise.allSettled(Array.from({ length: 9 }, () => kept.list(never)))
    await clock.advance(0)
    expect(await kept.decrease(ids, never)).toEqual({ accepted: ids })
    await clock.advance(100_000)
    await lists
  })

  it('ends a wait with the reason of its signal, and draws nothing for it', async () => {
    const { clock, kept, calls } = await start(1, 0.1)
    await kept.list(never)
    const controller = new AbortController()
    const waiting = kept.list(controller.signal)
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    const next = kept.list(never)
    await clock.advance(10_000)
    await next
    expect(calls('list')).toBe(2)
    expect(clock.pendingTimers).toBe(0)
  })

  it('says not_ready, without a call, when the wait would be too long', async () => {
    const { clock, kept, calls } = await start(1, 0.001)
    await kept.connectInfo('m-1', never).catch(() => {})
    const waiting = kept.connectInfo('m-1', never)
    const failed = expect(waiting).rejects.toMatchObject({ code: 'not_ready' })
    await clock.advance(25_000)
    await failed
    expect(calls('connectInfo')).toBe(1)
    expect(clock.pendingTimers).toBe(0)
  })

  it('draws for a look at the owner and for a claim, which go before a list', async () => {
    const clock = new ManualClock()
    const group = new LimitedGroup(
      { clock, shell: simpleShell, holdsOwner: true },
      { read: { size: 2, perSecond: 0.1 } },
    )
    Object.assign(group.limits, { draws: () => ({ read: 1 }) })
    const kept = withCallBudget(group, { clock })
    await kept.init(never)
    const owner = { id: 'here', name: 'fleet test', epoch: 1, since: 0 }
    await kept.claim!(owner, never)
    await kept.owners!(never)
    const order: string[] = []
    const list = kept.list(never).then(() => order.push('list'))
    const look = kept.owners!(never, ['m-1']).then((owners) => order.push(`owners ${owners.length}`))
    await clock.advance(9_999)
    expect(order).toEqual([])
    await clock.advance(1)
    expect(order).toEqual(['owners 1'])
    await clock.advance(30_000)
    await Promise.all([list, look])
    expect(group.calls.findLast(({ operation }) => operation === 'owners')?.ids).toEqual(['m-1'])
  })

  it('offers no owner where the group holds none', async () => {
    const { kept } = await start()
    expect([typeof kept.owners, typeof kept.claim]).toEqual(['undefined', 'undefined'])
  })

  it('learns from a throttled call, in a rejection or a result', async () => {
    const { clock, group, kept, calls } = await start(100, 0.1)
    group.fail('list', new GroupError('throttled', 'slow down'))
    await expect(kept.list(never)).rejects.toMatchObject({ code: 'throttled' })
    const waiting = kept.list(never)
    // One token comes back in 20 s, at half the rate.
    await clock.advance(19_999)
    expect(calls('list')).toBe(1)
    await clock.advance(1)
    await waiting

    group.acceptOnly = { count: 0, error: new GroupError('throttled', 'slow down') }
    await kept.increase({ count: 1, launchToken: 't' }, never)
    const increase = kept.increase({ count: 1, launchToken: 'u' }, never)
    await clock.advance(19_999)
    expect(calls('increase')).toBe(1)
    await clock.advance(1)
    await increase
  })

  it('lets one call go once the hint is over, whatever the bucket seems to hold', async () => {
    const { clock, group, kept, calls } = await start(100, 0.01)
    group.fail('list', new GroupError('throttled', 'slow down', { retryAfterMs: 1000 }))
    await kept.list(never).catch(() => {})
    const lists = [kept.list(never), kept.list(never).catch(() => {})]
    await clock.advance(999)
    expect(calls('list')).toBe(1)
    await clock.advance(1)
    expect(calls('list')).toBe(2)
    await clock.advance(20_000)
    expect(calls('list')).toBe(2)
    await clock.advance(10_000)
    await Promise.all(lists)
  })

  it('empties only the bucket that refused, where the group names it', async () => {
    const { clock, group, kept, calls } = await start(100, 0.01)
    Object.assign(group.limits, { draws: () => ({ read: 1, write: 1 }) })
    group.fail('increase', new GroupError('throttled', 'slow down', { bucket: 'write', retryAfterMs: 5000 }))
    await kept.increase({ count: 1, launchToken: 't' }, never).catch(() => {})
    Object.assign(group.limits, { draws: (operation: string) => ({ [operation === 'list' ? 'read' : 'write']: 1 }) })
    await kept.list(never)
    expect(calls('list')).toBe(1)
    const increase = kept.increase({ count: 1, launchToken: 'u' }, never)
    await clock.advance(4999)
    expect(calls('increase')).toBe(1)
    await clock.advance(1)
    await increase
  })

  it('believes no more than what the cloud says is left', async () => {
    const { clock, group, kept, calls } = await start(100, 0.1)
    const said = [{ read: 26 }, {}, {}]
    Object.assign(group.limits, { remaining: () => said.shift() ?? {} })
    await kept.list(never)
    await kept.list(never)
    const third = kept.list(never)
    await clock.advance(9999)
    expect(calls('list')).toBe(2)
    await clock.advance(1)
    await third
  })

  it('does not touch a group that publishes no limits, nor hides what it can', async () => {
    const clock = new ManualClock()
    const group = new MemoryGroup({ clock, capabilities: ['heartbeat'] })
    const kept = withCallBudget(group, { clock })
    await kept.init(never)
    for (let index = 0; index < 1000; index += 1) await kept.list(never)
    expect(typeof kept.connect).toBe('undefined')
    expect(typeof kept.suspend).toBe('undefined')
    await expect(kept.heartbeat?.('m-9', never)).rejects.toMatchObject({ code: 'not_found' })
    await kept.shutdown()
    expect(group.isShutDown).toBe(true)
  })

  it('makes a provisioner poll less, and never fail, when the budget is low', async () => {
    const { clock, group, kept, calls } = await start(6, 1 / 6)
    const provisioner = await Provisioner.start(
      { group: kept, clock, random: seededRandom(1), isBusy: () => true },
      never,
    )
    provisioner.request(2, { reason: 'test' })
    await clock.advance(600_000)
    // In use it would be polled each 5 s, 120 times.
    expect(calls('list')).toBeGreaterThan(95)
    expect(calls('list')).toBeLessThan(108)
    expect(provisioner.launchState().backoffs).toEqual([])
    expect(provisioner.instances().size).toBe(2)
    expect(group.calls.every(({ failed }) => failed === undefined)).toBe(true)
    await provisioner.shutdown({ removeInstances: false })
  })
})
