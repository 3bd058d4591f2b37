import { describe, expect, it } from 'vitest'
import { systemClock } from '../contract/clock.ts'
import { GroupError } from '../contract/errors.ts'
import { silentLogger } from '../contract/logger.ts'
import type { CloudControls } from '../testing/conformance/cloud-controls.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { memoryCloudControls } from '../testing/memory-cloud-controls.ts'
import { simpleShell } from '../testing/memory-connection.ts'
import { MemoryGroup, type MemoryGroupOptions } from '../testing/memory-group.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { describeInstanceGroup } from '../testing/vitest.ts'
import type { MultiMember } from './group-member.ts'
import { MultiGroup, type MultiGroupOptions } from './multi-group.ts'

const never = new AbortController().signal
const stockOut = (retryAfterMs?: number) =>
  new GroupError('capacity', 'no such machine now', retryAfterMs === undefined ? {} : { retryAfterMs })

interface Setup extends Partial<Pick<MultiGroupOptions, 'prefer' | 'noCapacityMs'>> {
  readonly memory?: Partial<MemoryGroupOptions>
  readonly a?: Partial<MultiMember>
  readonly b?: Partial<MultiMember>
}

function make({ memory = {}, a = {}, b = {}, ...settings }: Setup = {}) {
  const clock = new ManualClock()
  const groups = {
    a: new MemoryGroup({ clock, maxSize: 10, ...memory }),
    b: new MemoryGroup({ clock, maxSize: 10, ...memory }),
  }
  const member = (name: 'a' | 'b', options: Partial<MultiMember>): MultiMember => ({
    name,
    create: () => groups[name],
    ...options,
  })
  const multi = new MultiGroup({
    id: 'multi/test',
    members: [member('a', a), member('b', b)],
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    ...settings,
  })
  let token = 0
  const increase = (count: number, placement?: string, launchToken = `t${token++}`) =>
    multi.increase({ count, launchToken, ...(placement !== undefined && { placement }) }, never)
  const sizes = () => [groups.a.ids.length, groups.b.ids.length]
  const calls = (name: 'a' | 'b', operation: string) =>
    groups[name].calls.filter((call) => call.operation === operation).length
  return { clock, ...groups, multi, increase, sizes, calls }
}

async function start(setup: Setup = {}) {
  const made = make(setup)
  return { ...made, info: await made.multi.init(never) }
}

describe('a group of groups', () => {
  it('is the sum of its members', async () => {
    const { info } = await start({
      b: { maxInstances: 3 },
      memory: { capabilities: ['heartbeat', 'interruption_notice'] },
    })
    expect(info).toMatchObject({
      id: 'multi/test',
      maxSize: 13,
      placements: ['a', 'b'],
      capabilities: ['heartbeat', 'interruption_notice'],
    })
  })

  it('has only what its members have', async () => {
    const { multi, info } = await start()
    expect(info).not.toHaveProperty('capabilities')
    for (const method of ['connect', 'heartbeat', 'suspend', 'resume', 'onInterruption'] as const)
      expect(typeof multi[method]).toBe('undefined')
  })

  it('names findings and placements by member', async () => {
    const { a, multi } = make()
    a.find({ code: 'az_rebalance_on', severity: 'warning', message: 'it takes machines away', fix: 'turn it off' })
    expect((await multi.init(never)).findings).toEqual([
      { code: 'az_rebalance_on', severity: 'warning', message: 'a: it takes machines away', fix: 'turn it off' },
    ])
    a.addForeign()
    expect(await multi.list(never)).toEqual([{ id: 'a/m-1', state: 'running', placement: 'a' }])
  })

  it('removes by name, each where it is, and knows no others', async () => {
    const { a, b, multi, increase } = await start({ prefer: 'weight' })
    const { ids = [] } = await increase(2)
    expect(ids).toEqual(['a/m-1', 'b/m-1'])
    b.fail('decrease', new GroupError('auth', 'not allowed'))
    expect(await multi.decrease([...ids, 'c/m-1', 'm-1'], never)).toEqual({
      accepted: ['c/m-1', 'm-1', 'a/m-1'],
      errors: [expect.objectContaining({ code: 'transient', instanceId: 'b/m-1', message: 'b: not allowed' })],
    })
    expect(a.ids).toEqual([])
    expect(b.ids).toEqual(['m-1'])
  })

  it('makes no more where nothing can be removed', async () => {
    const { a, multi, increase } = await start()
    const { ids = [] } = await increase(1)
    a.fail('decrease', new GroupError('not_found', 'no such group'))
    expect(await multi.decrease(ids, never)).toMatchObject({
      accepted: [],
      errors: [{ code: 'transient', instanceId: 'a/m-1' }],
    })
    expect(await increase(1)).toMatchObject({ ids: ['b/m-1'] })
  })

  it('asks the member that has the instance', async () => {
    const { b, multi } = await start({
      memory: { shell: simpleShell, capabilities: ['heartbeat', 'interruption_notice', 'suspend_resume'] },
    })
    const id = `b/${b.addForeign()}`
    expect(await multi.connectInfo(id, never)).toMatchObject({ instanceId: id })
    await expect(multi.connectInfo('a/m-1', never)).rejects.toMatchObject({ code: 'not_found', instanceId: 'a/m-1' })
    await expect(multi.connectInfo('m-1', never)).rejects.toMatchObject({ code: 'not_found' })
    await multi.heartbeat?.(id, never)
    const connection = await multi.connect?.(id, never)
    await connection?.close()
    const told: string[] = []
    const stop = multi.onInterruption?.((each) => told.push(each))
    b.announceInterruption('m-1')
    stop?.()
    b.announceInterruption('m-1')
    expect(told).toEqual([id])
    expect(await multi.suspend?.([id], never)).toEqual({ accepted: [id] })
    expect(b.stateOf('m-1')).toBe('suspended')
  })

  it('refuses members with placements of their own, and names that are not usable', async () => {
    await expect(make({ memory: { placements: ['x', 'y'] } }).multi.init(never)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('a: expected a group without placements of its own, got x, y'),
    })
    expect(() => make({ a: { name: 'x/y' } })).toThrow('expected unique names of letters, digits, -, _ and ., got x/y')
    expect(() => make({ a: { name: 'b' } })).toThrow('got b')
  })
})

describe('launches', () => {
  it('go to the first, until it is full', async () => {
    const { increase, sizes } = await start({ a: { maxInstances: 3 } })
    expect(await increase(2)).toMatchObject({ requested: 2, ids: ['a/m-1', 'a/m-2'] })
    expect(await increase(4)).toMatchObject({ requested: 4, ids: ['a/m-3', 'b/m-1', 'b/m-2', 'b/m-3'] })
    expect(await increase(9)).toMatchObject({ requested: 7, errors: [{ code: 'quota' }] })
    expect(sizes()).toEqual([3, 10])
  })

  it('go to the cheapest first', async () => {
    const { increase, sizes, info } = await start({ prefer: 'price', a: { price: 0.2 }, b: { price: 0.1 } })
    expect(info.placements).toEqual(['b', 'a'])
    await increase(2)
    expect(sizes()).toEqual([0, 2])
  })

  it('go by weight', async () => {
    const { increase, sizes } = await start({ prefer: 'weight', a: { weight: 3 } })
    await increase(4)
    await increase(4)
    expect(sizes()).toEqual([6, 2])
  })

  it('that one refuses are asked of the next within the same call', async () => {
    const { a, increase, sizes, calls } = await start()
    a.acceptOnly = { count: 2, error: stockOut() }
    expect(await increase(5)).toMatchObject({ requested: 5, ids: ['a/m-1', 'a/m-2', 'b/m-1', 'b/m-2', 'b/m-3'] })
    await increase(1)
    expect(sizes()).toEqual([2, 4])
    expect(calls('a', 'increase')).toBe(1)
  })

  it('tell whoever began with a member that takes no more, so that it is not begun with again', async () => {
    const { a, increase } = await start()
    a.fail('increase', stockOut())
    expect(await increase(2, 'a')).toMatchObject({
      requested: 2,
      errors: [{ code: 'capacity', retryAfterMs: 300_000, message: 'a: no such machine now' }],
    })
    expect(await increase(2, 'b')).toEqual({ requested: 2, ids: ['b/m-3', 'b/m-4'] })
  })

  it('begin with the placement asked for, and never go to one before it', async () => {
    const { b, increase, sizes } = await start()
    b.fail('increase', stockOut())
    expect(await increase(1, 'b')).toMatchObject({ requested: 0, errors: [{ code: 'capacity' }] })
    expect(sizes()).toEqual([0, 0])
    await expect(increase(1, 'c')).rejects.toMatchObject({ code: 'invalid_config' })
  })

  it('come back one by one after a stock-out, not at the first success', async () => {
    const { a, clock, multi, increase, calls } = await start({ noCapacityMs: 60_000, memory: { bootDelayMs: 30_000 } })
    a.fail('increase', stockOut())
    await increase(3)
    await clock.advance(60_000)
    const shares: number[] = []
    for (let round = 0; round < 4; round += 1) {
      const before = a.ids.length
      await increase(6 - round, 'a')
      shares.push(a.ids.length - before)
      await multi.list(never)
      await clock.advance(30_000)
      await multi.list(never)
    }
    expect(shares).toEqual([1, 2, 4, 3])
    expect(calls('a', 'increase')).toBe(5)
  })

  it('keep away from a member whose launches fail later', async () => {
    const { a, multi, increase, sizes } = await start()
    a.bootsFailed = 3
    a.bootError = stockOut()
    await increase(3)
    expect(await multi.list(never)).toMatchObject([{ state: 'failed', error: { code: 'capacity' } }, {}, {}])
    await increase(3)
    expect(sizes()).toEqual([3, 3])
  })

  it('refused for good by one member stop nobody else; refused so by all, they stop', async () => {
    const { a, b, clock, increase } = await start()
    a.fail('increase', new GroupError('auth', 'not allowed'))
    expect(await increase(1, 'a')).toMatchObject({ requested: 1, errors: [{ code: 'capacity' }] })
    b.fail('increase', new GroupError('auth', 'neither'))
    expect(await increase(1)).toMatchObject({
      requested: 0,
      errors: [{ code: 'auth', message: 'a: not allowed; b: neither' }],
    })
    await clock.advance(300_000)
    expect(await increase(1)).toMatchObject({ requested: 1 })
  })

  it.each(['auth', 'invalid_config', 'not_found', 'throttled'] as const)(
    'refused as %s by the one asked hold back its placement only, while another one may still take some',
    async (code) => {
      const { a, b, increase } = await start()
      b.fail('increase', new GroupError(code, 'not there'))
      expect(await increase(1, 'b')).toMatchObject({
        requested: 0,
        errors: [{ code: 'capacity', message: 'b: not there' }],
      })
      a.fail('increase', new GroupError(code, 'nor here'))
      expect(await increase(1, 'a')).toMatchObject({ requested: 0, errors: [{ code }] })
      expect(await increase(1, 'b')).toMatchObject({ requested: 0, errors: [{ code, message: 'b: not there' }] })
    },
  )

  it('count as made while nobody knows, and go elsewhere once the list shows that nothing came', async () => {
    const { a, clock, multi, increase, sizes } = await start()
    a.fail('increase', new GroupError('transient', 'cut'), 100)
    let tries = 0
    const ask = () => increase(2, 'a', 'token').catch((error: GroupError) => error)
    for (let answer = await ask(); answer instanceof GroupError; answer = await ask(), tries += 1) {
      expect(answer.code).toBe('transient')
      expect(sizes()).toEqual([0, 0])
      await clock.advance(10_000)
      await multi.list(never)
    }
    expect(sizes()).toEqual([0, 2])
    expect(tries).toBeLessThan(4)
  })

  it.each([true, false])(
    'whose answer was lost are not made twice while the group cannot be read, where a token asked twice launches once: %s',
    async (idempotent) => {
      const { a, clock, multi, increase, sizes } = await start({ memory: { tells: { idempotent } } })
      a.fail('increase', { kind: 'afterActing', error: new GroupError('transient', 'cut') })
      await expect(increase(2, 'a', 'token')).rejects.toMatchObject({ code: 'transient' })
      a.fail('list', new GroupError('transient', 'down'))
      a.fail('increase', stockOut())
      for (let round = 0; round < 2; round += 1) {
        await clock.advance(10_000)
        await multi.list(never)
        if (round === 0) await expect(increase(2, 'a', 'token')).rejects.toMatchObject({ code: 'transient' })
        expect(sizes()).toEqual([2, 0])
      }
      expect(await increase(2, 'a', 'token')).toMatchObject({ requested: 2, ids: ['a/m-1', 'a/m-2'] })
      expect(await increase(2, 'b', 'token')).toMatchObject({ requested: 2 })
      expect(sizes()).toEqual([2, 0])
      expect((await multi.list(never)).map(({ launchToken }) => launchToken)).toEqual(['token', 'token'])
    },
  )

  it.each([true, false])(
    'whose answer was lost, and that lists leave out, are asked for again where tokens are known: %s',
    async (idempotent) => {
      const { a, clock, multi, increase, sizes } = await start({ memory: { tells: { idempotent } } })
      a.fail('increase', { kind: 'afterActing', error: new GroupError('transient', 'cut') })
      await expect(increase(1, 'a', 'token')).rejects.toMatchObject({ code: 'transient' })
      const list = a.list.bind(a)
      a.list = async () => []
      await clock.advance(10_000)
      await multi.list(never)
      a.list = list
      expect(await increase(1, 'a', 'token')).toMatchObject({ requested: 1, ids: [idempotent ? 'a/m-1' : 'b/m-1'] })
      expect(sizes()).toEqual(idempotent ? [1, 0] : [1, 1])
    },
  )

  it('whose answer was lost are asked for again only once the group can be read', async () => {
    const { a, clock, multi, increase, sizes } = await start({ memory: { tells: { idempotent: true } } })
    a.fail('increase', new GroupError('transient', 'cut'))
    await expect(increase(1, 'a', 'token')).rejects.toMatchObject({ code: 'transient' })
    await clock.advance(10_000)
    await multi.list(never)
    a.fail('list', new GroupError('transient', 'down'))
    await clock.advance(10_000)
    await multi.list(never)
    await expect(increase(1, 'a', 'token')).rejects.toMatchObject({ code: 'transient' })
    expect(sizes()).toEqual([0, 0])
    await clock.advance(10_000)
    await multi.list(never)
    expect(await increase(1, 'a', 'token')).toMatchObject({ requested: 1, ids: ['a/m-1'] })
    expect(sizes()).toEqual([1, 0])
  })

  it('are not taken for those of somebody who made a machine without a token, where the cloud tells tokens', async () => {
    const { a, clock, multi, increase } = await start()
    await increase(1, 'a', 'first')
    await multi.list(never)
    a.fail('increase', new GroupError('transient', 'cut'))
    await expect(increase(1, 'a', 'second')).rejects.toMatchObject({ code: 'transient' })
    a.addForeign()
    await clock.advance(1000)
    expect((await multi.list(never)).map(({ launchToken }) => launchToken)).toEqual(['first', undefined])
  })

  it('that may have been made count as made when others were', async () => {
    const { a, b, increase } = await start()
    a.acceptOnly = { count: 1, error: stockOut() }
    b.fail('increase', { kind: 'afterActing', error: new GroupError('transient', 'cut') })
    expect(await increase(3)).toEqual({ requested: 3, ids: ['a/m-1'] })
    expect(b.ids).toHaveLength(2)
  })

  it('keep to the limit of a member before its instances appear, and for what never does', async () => {
    const { a, clock, multi, increase, sizes } = await start({
      a: { maxInstances: 2 },
      memory: { appearDelayMs: 5000, tells: { ids: false, tokens: false } },
    })
    a.launchesLost = 2
    await increase(2)
    await increase(1)
    expect(sizes()).toEqual([0, 1])
    await clock.advance(10_000)
    expect(await multi.list(never)).toMatchObject([{ id: 'b/m-1', launchToken: 't1' }])
    await clock.advance(600_000)
    await multi.list(never)
    await increase(2)
    expect(sizes()).toEqual([2, 1])
  })
})

describe('a member that cannot be read', () => {
  it('keeps the rows that it had, gets no launches, and is asked less and less', async () => {
    const { a, clock, multi, increase, calls } = await start()
    await increase(1)
    const before = await multi.list(never)
    a.fail('list', new GroupError('auth', 'expired'), 1000)
    for (let second = 0; second < 300; second += 1) {
      expect(await multi.list(never)).toEqual(before)
      await clock.advance(1000)
    }
    expect(calls('a', 'list')).toBeLessThan(20)
    expect(await increase(1, 'a')).toMatchObject({
      ids: ['b/m-1'],
      errors: [{ code: 'capacity', message: 'a: expired' }],
    })
    a.heal()
    await clock.advance(60_000)
    await multi.list(never)
    expect(await increase(1, 'a')).toMatchObject({ ids: ['a/m-2'] })
  })

  it('does not hold the list up for ever', async () => {
    const { a, b, clock, multi } = await start()
    a.fail('list', { kind: 'deaf' })
    b.addForeign()
    const listing = multi.list(never)
    await clock.advance(30_000)
    expect(await listing).toMatchObject([{ id: 'b/m-1' }])
    expect(clock.pendingTimers).toBe(0)
  })

  it('that only takes long is waited for one second, and shown as it was until it answers', async () => {
    const slow = { ms: 0 }
    const clock = new ManualClock()
    const a = new MemoryGroup({ clock, callDelayMs: () => slow.ms })
    const b = new MemoryGroup({ clock })
    const multi = new MultiGroup({
      id: 'multi/test',
      members: Object.entries({ a, b }).map(([name, group]) => ({ name, create: () => group })),
      clock,
      random: seededRandom(1),
      logger: silentLogger,
    })
    await multi.init(never)
    await multi.list(never)
    slow.ms = 8000
    a.addForeign()
    b.addForeign()
    const shown = async () => {
      const listing = multi.list(never)
      await clock.advance(1000)
      return (await listing).map(({ id }) => id)
    }
    for (let second = 0; second < 8; second += 1)
      expect(await shown()).toEqual(second < 7 ? ['b/m-1'] : ['a/m-1', 'b/m-1'])
    expect(a.calls.filter(({ operation }) => operation === 'list')).toHaveLength(2)
    slow.ms = 0
    await multi.shutdown()
    expect(clock.pendingTimers).toBe(0)
  })

  it('does not keep the others from giving back what they have not launched', async () => {
    const { a, b, multi } = make()
    const asked: string[] = []
    Object.assign(a, { giveBack: () => Promise.reject(new GroupError('transient', 'down')) })
    Object.assign(b, { giveBack: async () => asked.push('b') + 1 })
    await multi.init(never)
    await expect(multi.giveBack!(never)).rejects.toMatchObject({
      code: 'transient',
      message: expect.stringContaining('down'),
    })
    expect(asked).toEqual(['b'])
    Object.assign(a, { giveBack: undefined })
    expect(await multi.giveBack!(never)).toBe(3)
  })

  it('fails the list only together with all others', async () => {
    const { a, b, multi } = await start()
    a.fail('list', new GroupError('transient', 'down'), 2)
    b.fail('list', new GroupError('transient', 'down, too'), 1)
    await expect(multi.list(never)).rejects.toMatchObject({ code: 'transient', message: 'a: down; b: down, too' })
    expect(await multi.list(never)).toEqual([])
  })

  it('makes the whole one that cannot be reached only together with all others, and gets no launches', async () => {
    const down: { a?: string; b?: string } = {}
    const { a, b, multi, increase, sizes, calls } = make()
    Object.assign(a, { trouble: () => down.a })
    Object.assign(b, { trouble: () => down.b })
    await multi.init(never)
    expect([multi.trouble(), multi.partTrouble()]).toEqual([undefined, undefined])
    down.a = 'plugin moon ended (signal SIGKILL)'
    expect([multi.trouble(), multi.partTrouble()]).toEqual([undefined, 'a: plugin moon ended (signal SIGKILL)'])
    expect(await increase(2, 'a')).toMatchObject({
      requested: 2,
      errors: [{ code: 'capacity', message: `a: ${down.a}` }],
    })
    expect(sizes()).toEqual([0, 2])
    down.b = 'the agent is gone'
    expect(multi.trouble()).toBe('a: plugin moon ended (signal SIGKILL); b: the agent is gone')
    expect(await increase(1)).toMatchObject({ requested: 0, errors: [{ code: 'transient', message: multi.trouble() }] })
    expect(calls('a', 'increase')).toBe(0)
    delete down.a
    expect(multi.trouble()).toBeUndefined()
    expect(await increase(1)).toMatchObject({ ids: ['a/m-1'] })
  })

  it('is named as a part that does not work when it cannot be read, or tells of a part of its own', async () => {
    const { a, b, multi, clock } = await start()
    a.fail('list', new GroupError('auth', 'no permission'), 1)
    await multi.list(never)
    expect([multi.trouble(), multi.partTrouble()]).toEqual([undefined, 'a: no permission'])
    Object.assign(b, { partTrouble: () => 'x: the agent is gone' })
    expect([multi.trouble(), multi.partTrouble()]).toEqual([undefined, 'a: no permission; b: x: the agent is gone'])
    await clock.advance(60_000)
    await multi.list(never)
    expect(multi.partTrouble()).toBe('b: x: the agent is gone')
  })

  it('that was not initialised yet cannot be reached; one whose cloud does not answer can', async () => {
    const clock = new ManualClock()
    const made: MemoryGroup[] = []
    const create = () => {
      const group = new MemoryGroup({ clock })
      if (made.push(group) === 1) group.fail('init', new GroupError('transient', 'no such host'))
      else group.fail('list', new GroupError('transient', 'no answer'))
      return group
    }
    const { b, multi, clock: membersClock } = make({ a: { create } })
    Object.assign(b, { trouble: () => 'the agent is gone' })
    await multi.init(never)
    expect(multi.trouble()).toBe('a: no such host; b: the agent is gone')
    await membersClock.advance(10_000)
    b.fail('list', new GroupError('transient', 'gone'))
    await expect(multi.list(never)).rejects.toThrow('a: no answer; b: gone')
    expect(multi.trouble()).toBeUndefined()
  })

  it('at the start is left out with a finding, and joins later with a group of its own', async () => {
    const clock = new ManualClock()
    const made: MemoryGroup[] = []
    const { multi, increase, b } = make({
      a: {
        create() {
          const group = new MemoryGroup({ clock, maxSize: 5 })
          if (made.push(group) === 1) group.fail('init', new GroupError('transient', 'down'))
          return group
        },
      },
    })
    expect((await multi.init(never)).findings).toMatchObject([
      { code: 'group_not_started', severity: 'error', message: expect.stringContaining('a: down') },
    ])
    await increase(1)
    expect(b.ids).toHaveLength(1)
    expect(made[0]?.isShutDown).toBe(true)
    await expect(multi.decrease(['a/m-1'], never)).resolves.toMatchObject({
      accepted: [],
      errors: [{ code: 'transient' }],
    })
  })

  it('fails the start when its configuration is wrong, or when all fail', async () => {
    const one = make()
    one.a.fail('init', new GroupError('invalid_config', 'no such key'))
    await expect(one.multi.init(never)).rejects.toMatchObject({ code: 'invalid_config', message: 'a: no such key' })
    const both = make()
    for (const group of [both.a, both.b]) group.fail('init', new GroupError('auth', 'expired'))
    await expect(both.multi.init(never)).rejects.toMatchObject({ code: 'auth' })
  })
})

describe('what a list leaves out', () => {
  it('is known from the begin of the reading of its member, not of the list', async () => {
    let slowMs = 0
    const { multi, clock, a, increase } = await start({ memory: { callDelayMs: () => slowMs } })
    const list = async () => {
      const listing = multi.list(never)
      await clock.advance(1_000)
      await listing
    }
    await increase(1)
    await list()
    const firstAt = clock.now() - 1_000
    expect([multi.readAt('a/m-1'), multi.readAt('b/other')]).toEqual([firstAt, firstAt])
    slowMs = 5_000
    await list()
    // Nobody was waited for: the rows are those of before.
    expect([multi.readAt('a/m-1'), multi.readAt('b/other')]).toEqual([firstAt, firstAt])
    await clock.advance(4_000)
    slowMs = 0
    a.fail('list', new GroupError('throttled', 'slow down'), 2)
    await list()
    const { at } = a.calls.filter(({ operation, failed }) => operation === 'list' && failed === undefined).at(-1)!
    expect(multi.readAt('a/m-1')).toBe(at)
    expect(multi.readAt('b/other')).toBe(clock.now() - 1_000)
  })

  it('is known from no reading while its member was never read', async () => {
    const { multi, a } = make()
    a.fail('init', new GroupError('transient', 'down'))
    a.fail('init', new GroupError('transient', 'down'))
    await multi.init(never)
    await multi.list(never)
    expect([multi.readAt('a/m-1'), multi.readAt('nobody')]).toEqual([-Infinity, undefined])
  })

  it('is asked for in its member by id; of those whose member cannot tell nothing is told', async () => {
    const { multi, a, b, increase, clock } = await start()
    await increase(2, 'b')
    await multi.list(never)
    b.preempt('m-1')
    a.fail('describe', new GroupError('transient', 'down'))
    expect(await multi.describe!(['a/m-1', 'b/m-1', 'b/m-2', 'nobody/m-1'], never)).toEqual([
      { id: 'nobody/m-1', state: 'deleted' },
      { id: 'b/m-1', state: 'deleted', placement: 'b' },
      { id: 'b/m-2', state: 'running', launchToken: 't0', placement: 'b' },
    ])
    Object.assign(b, { describe: undefined })
    await clock.advance(0)
    expect(await multi.describe!(['b/m-2'], never)).toEqual([])
  })

  it('may be as late as in the latest of the members', async () => {
    const { info } = await start({ memory: { listLagMs: 25_000 } })
    expect(info.listLagMs).toBe(25_000)
  })
})

const capabilities = ['heartbeat', 'suspend_resume', 'interruption_notice'] as const
const quick = { clock: systemClock, bootDelayMs: 3, deleteDelayMs: 2, shell: simpleShell, capabilities }
const patient = { maxInstances: 3, pollMs: 1, patienceMs: 5000 }

for (const prefer of ['order', 'weight'] as const) {
  const groups = { a: new MemoryGroup({ ...quick, maxSize: 1 }), b: new MemoryGroup({ ...quick, maxSize: 2 }) }
  const multi = () =>
    new MultiGroup({
      id: 'multi/test',
      prefer,
      members: [
        { name: 'a', create: () => groups.a },
        { name: 'b', create: () => groups.b },
      ],
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
    })
  describeInstanceGroup(`a multi group by ${prefer}`, multi, { ...patient, cloud: controlsOf(groups) })
}

/**
 * Controls of all that the members' clouds can do, but for faults of calls: those are to be contained, not passed on as
 * a single group must.
 */
function controlsOf(groups: Readonly<Record<'a' | 'b', MemoryGroup>>): CloudControls {
  const controls = { a: memoryCloudControls(groups.a), b: memoryCloudControls(groups.b) }
  const names = ['a', 'b'] as const
  const own = (id: string): string => id.slice(2)
  const of = (id: string): CloudControls => (id.startsWith('a/') ? controls.a : controls.b)
  return {
    calls: () => names.flatMap((name) => controls[name].calls?.() ?? []),
    states: controls.a.states ?? new Map(),
    setState: (id, word) => of(id).setState?.(own(id), word),
    addForeign: () => `b/${groups.b.addForeign()}`,
    resize: (by) => controls.b.resize?.(by),
    kill: (id) => of(id).kill?.(own(id)),
    machines: () => names.flatMap((name) => controls[name].machines().map((id) => `${name}/${id}`)),
    misconfigurations: controls.b.misconfigurations ?? new Map(),
  }
}
