import { describe, expect, it } from 'vitest'
import { GroupError } from '../contract/errors.ts'
import { ManualClock } from './manual-clock.ts'
import { simpleShell } from './memory-connection.ts'
import { MemoryGroup, type MemoryGroupOptions } from './memory-group.ts'

const never = new AbortController().signal

function make(options: Partial<MemoryGroupOptions> = {}) {
  const clock = new ManualClock()
  const group = new MemoryGroup({ clock, maxSize: 3, shell: simpleShell, ...options })
  const states = async () => (await group.list(never)).map(({ id, state }) => `${id} ${state}`)
  const increase = (count: number, launchToken = 't') => group.increase({ count, launchToken }, never)
  return { clock, group, states, increase }
}

describe('a memory machine', () => {
  it('appears, boots and goes in its time', async () => {
    const { clock, group, states, increase } = make({ appearDelayMs: 10, bootDelayMs: 20, deleteDelayMs: 30 })
    await increase(1)
    expect(await states()).toEqual([])
    await clock.advance(10)
    expect(await states()).toEqual(['m-1 creating'])
    await clock.advance(20)
    expect(await states()).toEqual(['m-1 running'])
    await group.decrease(['m-1'], never)
    expect(await states()).toEqual(['m-1 deleting'])
    await clock.advance(30)
    expect(await states()).toEqual([])
  })

  it('is shown late by a list that lags', async () => {
    const { clock, states, increase } = make({ listLagMs: 100 })
    await increase(1)
    await clock.advance(99)
    expect(await states()).toEqual([])
    await clock.advance(1)
    expect(await states()).toEqual(['m-1 running'])
  })

  it.each([
    ['launchesLost', []],
    ['bootsStuck', ['m-1 creating']],
    ['bootsFailed', ['m-1 failed']],
  ] as const)('meets its fate: %s', async (fate, expected) => {
    const { clock, group, states, increase } = make({ bootDelayMs: 5 })
    group[fate] = 1
    await increase(1)
    await clock.advance(1e9)
    expect(await states()).toEqual(expected)
  })

  it('stays where deletes are ignored or stuck, until that is healed', async () => {
    const { clock, group, states, increase } = make()
    await increase(2)
    group.deletesIgnored = 1
    group.deletesStuck = true
    await group.decrease(['m-1', 'm-2'], never)
    await clock.advance(1e9)
    expect(await states()).toEqual(['m-1 running', 'm-2 deleting'])
    group.heal()
    expect(await states()).toEqual(['m-1 running'])
  })

  it('takes its connections with it', async () => {
    const { group, increase } = make()
    await increase(1)
    const connection = await group.connect!('m-1', never)
    const execution = await connection.exec('echo hello')
    expect(await execution.closed).toEqual({ code: 0 })
    group.preempt('m-1')
    expect(connection.ended).toMatchObject({ code: 'connection_lost' })
    await expect(connection.exec('true')).rejects.toMatchObject({ code: 'connection_lost' })
    await expect(group.connect!('m-1', never)).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('a memory group', () => {
  it('gives what fits, and says why not more', async () => {
    const { group, increase } = make()
    expect(await increase(2)).toMatchObject({ requested: 2, ids: ['m-1', 'm-2'] })
    expect(await increase(2, 'u')).toMatchObject({ requested: 1, errors: [{ code: 'quota' }] })
    group.acceptOnly = { count: 0, error: new GroupError('capacity', 'none left') }
    group.preempt('m-1')
    expect(await increase(1, 'v')).toMatchObject({ requested: 0, errors: [{ code: 'capacity' }] })
    expect(await increase(1, 'w')).toMatchObject({ requested: 1 })
  })

  it('launches once for a token, unless it cannot tell', async () => {
    const { increase, states } = make()
    expect(await increase(1)).toEqual(await increase(1))
    expect(await states()).toHaveLength(1)
    const forgetful = make({ tells: { ids: false, tokens: false, idempotent: false } })
    expect(await forgetful.increase(1)).toEqual({ requested: 1 })
    await forgetful.increase(1)
    expect(await forgetful.group.list(never)).toEqual([
      { id: 'm-1', state: 'running' },
      { id: 'm-2', state: 'running' },
    ])
  })

  it('meets faults in order, acts before it loses an answer, and records it all', async () => {
    const { group, increase, states } = make()
    group.fail('increase', new GroupError('throttled', 'slow down'), 2)
    group.fail('increase', { kind: 'afterActing', error: new Error('socket hang up') })
    for (const code of ['throttled', 'throttled']) await expect(increase(1)).rejects.toMatchObject({ code })
    await expect(increase(1)).rejects.toThrow('socket hang up')
    expect(await states()).toEqual(['m-1 running'])
    expect(group.calls.map(({ operation, failed, request }) => [operation, failed, request?.count])).toEqual([
      ['increase', 'throttled', 1],
      ['increase', 'throttled', 1],
      ['increase', 'transient', 1],
      ['list', undefined, undefined],
    ])
  })

  it('hangs until its signal aborts, or beyond', async () => {
    const { group } = make()
    group.fail('list', { kind: 'hang' })
    group.fail('list', { kind: 'deaf' })
    const controller = new AbortController()
    const [hanging, deaf] = [group.list(controller.signal), group.list(controller.signal)]
    controller.abort(new Error('enough'))
    await expect(hanging).rejects.toThrow('enough')
    expect(await Promise.race([deaf, new Promise((resolve) => setImmediate(resolve, 'silence'))])).toBe('silence')
  })
})
