import { describe, expect, it } from 'vitest'
import { never, startFleet } from '../../test/memory-fleet.ts'
import { GroupError } from '../contract/errors.ts'
import { type LaunchBreaker, launchAllowance } from './launches/launch-state.ts'

const reason = 'test'

describe('request', () => {
  it('takes what fits, and sends it in one call with a token that nobody used', async () => {
    await using fleet = await startFleet()
    expect(fleet.provisioner.request(3, { reason })).toBe(3)
    expect(fleet.provisioner.request(20, { reason })).toBe(7)
    expect(fleet.provisioner.request(1, { reason })).toBe(0)
    await fleet.clock.advance(1000)
    expect(fleet.calls('increase').map(({ request }) => request)).toMatchObject([
      { count: 10, launchToken: expect.stringMatching(/^l[0-9a-z]{8,30}$/) },
    ])
    expect(fleet.provisioner.launchState()).toMatchObject({ known: 10, outstanding: [] })
  })

  it.each([0, -1, 0.5, Number.NaN])('takes nothing for %d', async (count) => {
    await using fleet = await startFleet()
    expect(fleet.provisioner.request(count, { reason })).toBe(0)
  })

  it('knows the placements, and asks one call for each', async () => {
    await using fleet = await startFleet({ placements: ['north', 'south'] })
    fleet.provisioner.request(1, { placement: 'north', reason })
    fleet.provisioner.request(2, { placement: 'south', reason })
    expect(() => fleet.provisioner.request(1, { placement: 'west', reason })).toThrow(RangeError)
    await fleet.clock.advance(1000)
    expect(fleet.calls('increase').map(({ request }) => `${request?.placement} ${request?.count}`)).toEqual([
      'north 1',
      'south 2',
    ])
    expect(fleet.instances.map(({ placement }) => placement)).toEqual(['north', 'south', 'south'])
  })

  it('is throttled by a token bucket, fractions of one per second too', async () => {
    await using fleet = await startFleet({
      provisioner: { settings: { launchThrottle: { perSecond: 0.1, burst: 2 } } },
    })
    expect(fleet.provisioner.request(9, { reason })).toBe(2)
    await fleet.clock.advance(9000)
    expect(fleet.provisioner.request(9, { reason })).toBe(0)
    expect(launchAllowance(fleet.provisioner.launchState())).toMatchObject({
      blockedBy: 'throttle',
      until: fleet.clock.now() + 1000,
    })
    await fleet.clock.advance(1001)
    expect(fleet.provisioner.request(9, { reason })).toBe(1)
  })

  it('gives back what cannot be sent, tokens included, while list fails', async () => {
    await using fleet = await startFleet({
      provisioner: { settings: { launchThrottle: { perSecond: 0.001, burst: 5 } } },
    })
    fleet.group.fail('list', new GroupError('transient', 'down'), 2)
    fleet.provisioner.request(1, { reason })
    await fleet.clock.advance(1000)
    expect(fleet.provisioner.request(1, { reason })).toBe(0)
    expect(launchAllowance(fleet.provisioner.launchState())).toMatchObject({ blockedBy: 'backoff' })
    expect(fleet.provisioner.launchState().backoffs).toMatchObject([{ code: 'transient', message: 'list: down' }])
    expect(fleet.provisioner.listError).toMatchObject({ code: 'transient', message: 'down' })
    await fleet.clock.advance(30_000)
    expect(fleet.provisioner.listError).toBeUndefined()
    expect(fleet.provisioner.request(9, { reason })).toBe(4)
  })
})

describe('a launch that was accepted and never came', () => {
  it('is outstanding until its deadline, then its capacity is given back and launches back off', async () => {
    await using fleet = await startFleet()
    fleet.group.launchesLost = 2
    fleet.provisioner.request(3, { reason })
    await fleet.clock.advance(599_000)
    expect(fleet.provisioner.launchState().outstanding).toMatchObject([{ count: 2, phase: 'accepted', reason }])
    expect(fleet.provisioner.counts()).toMatchObject({ requested: 0, pending: 2, running: 1 })
    await fleet.clock.advance(1500)
    expect(fleet.provisioner.launchState()).toMatchObject({
      outstanding: [],
      backoffs: [{ code: 'expired', failures: 1 }],
    })
    expect(launchAllowance(fleet.provisioner.launchState())).toMatchObject({ blockedBy: 'backoff' })
    expect(fleet.changes.filter(({ kind }) => kind === 'gone')).toEqual([])
  })

  it('and comes late after all, is still known as requested', async () => {
    await using fleet = await startFleet({ appearDelayMs: 700_000 })
    fleet.provisioner.request(1, { reason })
    await fleet.clock.advance(800_000)
    expect(fleet.instances).toMatchObject([{ cause: 'requested' }])
  })
})

describe('each error code has its one consequence', () => {
  it.each([
    ['capacity', 30, 60],
    ['quota', 150, 300],
    ['conflict', 1, 2],
    ['not_ready', 1, 2],
  ] as const)('%s: launches back off for %d to %d seconds', async (code, least, most) => {
    await using fleet = await startFleet()
    fleet.group.fail('increase', new GroupError(code, 'the zone is full'))
    fleet.provisioner.request(2, { reason })
    await fleet.clock.advance(0)
    const { until = 0 } = launchAllowance(fleet.provisioner.launchState())
    expect(until - fleet.clock.now()).toBeGreaterThanOrEqual(least * 1000)
    expect(until - fleet.clock.now()).toBeLessThanOrEqual(most * 1000)
    expect(fleet.provisioner.launchState().backoffs).toMatchObject([{ code, failures: 1, message: 'the zone is full' }])
    await fleet.clock.advance(until - fleet.clock.now())
    expect(fleet.provisioner.request(2, { reason })).toBe(2)
    await fleet.clock.advance(3000)
    expect(fleet.provisioner.launchState()).toMatchObject({ backoffs: [], outstanding: [], known: 2 })
  })

  it('throttled: the answer to a call that had begun before does not end the wait', async () => {
    await using fleet = await startFleet({ callDelayMs: 700 })
    const [id] = await fleet.launch(1)
    const connecting = fleet.provisioner.connect(id!, 0, never)
    await fleet.clock.advance(400)
    fleet.group.fail('increase', new GroupError('throttled', 'slow down', { retryAfterMs: 40_000 }))
    fleet.provisioner.request(1, { reason })
    await fleet.clock.advance(0)
    const late = fleet.provisioner.connect(id!, 1, never)
    await fleet.clock.advance(1000)
    await Promise.all([connecting, late])
    expect(launchAllowance(fleet.provisioner.launchState())).toMatchObject({ blockedBy: 'backoff' })
    await fleet.clock.advance(60_000)
    expect(fleet.provisioner.launchState().backoffs).toEqual([])
  })

  it('throttled: everything waits for the hint', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    fleet.group.fail('increase', new GroupError('throttled', 'slow down', { retryAfterMs: 40_000 }))
    fleet.provisioner.request(1, { reason })
    await fleet.clock.advance(0)
    const calls = fleet.group.calls.length
    fleet.provisioner.remove([id!], 'test')
    fleet.provisioner.connect(id!, 0, never).catch(() => {})
    await fleet.clock.advance(39_000)
    expect(fleet.group.calls).toHaveLength(calls)
    expect(fleet.provisioner.launchState().backoffs).toMatchObject([{ code: 'throttled', message: 'slow down' }])
    await fleet.clock.advance(10_000)
    expect(fleet.calls('decrease')).toHaveLength(1)
    expect(fleet.provisioner.launchState().backoffs).toEqual([])
  })

  it.each(['auth', 'invalid_config', 'not_found'] as const)(
    '%s: the breaker opens, says what to do, and closes when a probe works',
    async (code) => {
      await using fleet = await startFleet()
      fleet.group.fail('increase', new GroupError(code, 'no permission'), 2)
      fleet.provisioner.request(3, { reason })
      await fleet.clock.advance(1000)
      expect(fleet.provisioner.launchState().breaker).toMatchObject({
        state: 'open',
        code,
        message: 'increase: no permission',
        action: expect.stringMatching(/^(check|correct) /),
      })
      expect(fleet.provisioner.request(3, { reason })).toBe(0)
      await fleet.clock.advance(300_000)
      expect(fleet.provisioner.launchState().breaker.state).toBe('half_open')
      expect(fleet.provisioner.request(3, { reason })).toBe(1)
      expect(fleet.provisioner.request(3, { reason })).toBe(0)
      await fleet.clock.advance(299_000)
      expect(fleet.provisioner.launchState().breaker.state).toBe('open')
      await fleet.clock.advance(302_000)
      expect(fleet.provisioner.request(3, { reason })).toBe(1)
      await fleet.clock.advance(1000)
      expect(fleet.provisioner.launchState()).toMatchObject({ breaker: { state: 'closed' }, known: 1 })
      expect(fleet.provisioner.request(3, { reason })).toBe(3)
      expect(fleet.calls('increase').map(({ request }) => request?.count)).toEqual([3, 1, 1])
    },
  )

  it.each([true, false])(
    'the breaker closes when the answer to the probe is lost and its instance appears, tokens told: %s',
    async (tokens) => {
      await using fleet = await startFleet({ tells: { ids: false, tokens } })
      fleet.group.fail('increase', new GroupError('auth', 'no permission'))
      fleet.provisioner.request(1, { reason })
      await fleet.clock.advance(301_000)
      fleet.group.fail('increase', { kind: 'afterActing', error: new Error('cut') })
      expect(fleet.provisioner.request(1, { reason })).toBe(1)
      await fleet.clock.advance(60_000)
      expect(fleet.provisioner.launchState()).toMatchObject({ known: 1, outstanding: [], breaker: { state: 'closed' } })
    },
  )

  it('the breaker is not closed by an instance that was asked for before it opened', async () => {
    await using fleet = await startFleet({ placements: ['north', 'south'], appearDelayMs: 5000 })
    fleet.group.fail('increase', { kind: 'afterActing', error: new Error('cut') })
    fleet.provisioner.request(1, { placement: 'north', reason })
    fleet.provisioner.request(1, { placement: 'south', reason })
    await fleet.clock.advance(0)
    fleet.group.fail('increase', new GroupError('auth', 'no permission'))
    await fleet.clock.advance(3000)
    fleet.provisioner.request(1, { placement: 'south', reason })
    await fleet.clock.advance(60_000)
    expect(fleet.calls('increase')).toHaveLength(3)
    expect(fleet.instances).toHaveLength(2)
    expect(fleet.provisioner.launchState().breaker).toMatchObject({ state: 'open', message: 'increase: no permission' })
  })

  it('of list: the breaker opens, and closes as soon as list works', async () => {
    await using fleet = await startFleet()
    fleet.group.fail('list', new GroupError('auth', 'expired key'), 3)
    await fleet.clock.advance(62_000)
    expect(fleet.provisioner.launchState().breaker).toMatchObject({ state: 'open', message: 'list: expired key' })
    await fleet.clock.advance(30_000)
    expect(fleet.provisioner.launchState().breaker).toEqual({ state: 'closed' })
  })
})

it('does not send what was asked for while a launch was under way that then failed', async () => {
  await using fleet = await startFleet({ callDelayMs: 5000 })
  await fleet.clock.advance(5000)
  fleet.group.fail('increase', new GroupError('capacity', 'full'))
  fleet.provisioner.request(1, { reason })
  await fleet.clock.advance(1000)
  expect(fleet.provisioner.request(2, { reason })).toBe(2)
  await fleet.clock.advance(20_000)
  expect(fleet.calls('increase')).toHaveLength(1)
  expect(fleet.provisioner.launchState().outstanding).toEqual([])
})

describe('a partial answer', () => {
  it('keeps what was accepted, gives back the rest, and heeds the error', async () => {
    await using fleet = await startFleet({ placements: ['north', 'south'] })
    fleet.group.acceptOnly = { count: 2, error: new GroupError('capacity', 'north is full') }
    fleet.provisioner.request(5, { placement: 'north', reason })
    await fleet.clock.advance(5000)
    expect(fleet.instances).toHaveLength(2)
    const state = fleet.provisioner.launchState()
    expect(state).toMatchObject({ outstanding: [], backoffs: [{ placement: 'north', code: 'capacity' }] })
    expect(launchAllowance(state, 'north')).toMatchObject({ blockedBy: 'backoff' })
    expect(launchAllowance(state, 'south')).toEqual({ count: 8 })
  })

  it('beyond what was asked for is not believed', async () => {
    await using fleet = await startFleet()
    const increase = fleet.group.increase.bind(fleet.group)
    fleet.group.increase = async (request, signal) => ({ ...(await increase(request, signal)), requested: 99 })
    fleet.provisioner.request(1, { reason })
    await fleet.clock.advance(3000)
    expect(fleet.provisioner.launchState()).toMatchObject({ known: 1, outstanding: [] })
  })
})

describe('a lost answer', () => {
  const lost = { kind: 'afterActing', error: new Error('socket hang up') } as const

  it('is found out by list before anything is asked again', async () => {
    await using fleet = await startFleet({ tells: { ids: false, tokens: false, idempotent: false } })
    fleet.group.fail('increase', lost)
    fleet.provisioner.request(10, { reason })
    await fleet.clock.advance(120_000)
    expect(fleet.instances).toHaveLength(10)
    expect(fleet.instances.every(({ cause }) => cause === 'requested')).toBe(true)
    expect(fleet.calls('increase')).toHaveLength(1)
  })

  it('of a launch that was not made is asked again, under the same token, once list had time to show it', async () => {
    await using fleet = await startFleet()
    fleet.group.fail('increase', new Error('socket hang up'))
    fleet.provisioner.request(4, { reason })
    await fleet.clock.advance(9000)
    expect(fleet.provisioner.launchState().outstanding).toMatchObject([{ count: 4, phase: 'uncertain' }])
    expect(fleet.calls('increase')).toHaveLength(1)
    await fleet.clock.advance(10_000)
    const [first, second] = fleet.calls('increase')
    expect(second?.request).toEqual(first?.request)
    expect(fleet.instances).toHaveLength(4)
  })

  it('of a launch made in part is not asked again: the rest has its deadline', async () => {
    await using fleet = await startFleet()
    fleet.group.launchesLost = 1
    fleet.group.fail('increase', lost)
    fleet.provisioner.request(3, { reason })
    await fleet.clock.advance(590_000)
    expect(fleet.provisioner.launchState()).toMatchObject({ known: 2, outstanding: [{ count: 1, phase: 'accepted' }] })
    await fleet.clock.advance(20_000)
    expect(fleet.provisioner.launchState().outstanding).toEqual([])
    expect(fleet.calls('increase')).toHaveLength(1)
  })
})

describe('a call that hangs', () => {
  it('beyond the deadline of its launch does not make list be read without pause', async () => {
    await using fleet = await startFleet({ provisioner: { settings: { launchTimeoutMs: 20_000 } } })
    fleet.group.fail('increase', new Error('socket hang up'))
    fleet.group.fail('increase', { kind: 'deaf' })
    fleet.provisioner.request(1, { reason })
    const lists = fleet.calls('list').length
    await fleet.clock.advance(80_000)
    expect(fleet.calls('increase')).toHaveLength(2)
    expect(fleet.calls('list').length - lists).toBeLessThan(50)
    expect(fleet.provisioner.launchState().outstanding).toEqual([])
  })

  it('ends at its deadline: list goes on, launches and removals go on', async () => {
    await using fleet = await startFleet()
    const [id] = await fleet.launch(1)
    for (const operation of ['list', 'increase', 'decrease'] as const) fleet.group.fail(operation, { kind: 'deaf' })
    fleet.provisioner.request(1, { reason })
    fleet.provisioner.remove([id!], 'test')
    await fleet.clock.advance(59_000)
    expect(fleet.group.ids).toEqual([id])
    await fleet.clock.advance(90_000)
    expect(fleet.group.ids).toHaveLength(1)
    expect(fleet.instances).toMatchObject([{ id: fleet.group.ids[0], cause: 'requested' }])
    expect(fleet.ids).not.toContain(id)
  })
})

describe('a launch that the cloud accepts, and fails later', () => {
  it('makes launches wait by the code it tells, for longer each time, until an instance proves good', async () => {
    await using fleet = await startFleet({ bootDelayMs: 1000 })
    fleet.group.bootError = new GroupError('capacity', 'no such machine in this zone')
    for (const failures of [1, 2]) {
      fleet.group.bootsFailed = 1
      fleet.provisioner.request(1, { reason })
      await fleet.clock.advance(10_000)
      expect(fleet.group.ids).toEqual([])
      const { backoffs } = fleet.provisioner.launchState()
      expect(backoffs).toMatchObject([
        { code: 'capacity', failures, message: expect.stringContaining('no such machine in this zone') },
      ])
      await fleet.clock.advance(120_000)
    }
    const [id] = await fleet.launch(1)
    expect(fleet.provisioner.launchState().backoffs).toMatchObject([{ code: 'capacity' }])
    fleet.provisioner.reportSuccess(id!)
    expect(fleet.provisioner.launchState().backoffs).toEqual([])
  })

  it('opens the breaker when waiting does not heal it; only an instance that proves good closes it', async () => {
    await using fleet = await startFleet({ bootDelayMs: 1000 })
    fleet.group.bootError = new GroupError('invalid_config', 'the image does not exist')
    fleet.group.bootsFailed = 1
    fleet.provisioner.request(1, { reason })
    await fleet.clock.advance(10_000)
    expect(fleet.provisioner.launchState().breaker).toMatchObject({ state: 'open', code: 'invalid_config' })
    await fleet.clock.advance(400_000)
    expect(fleet.provisioner.launchState().breaker).toMatchObject({ state: 'half_open' })
    const [id] = await fleet.launch(1)
    expect(fleet.provisioner.launchState().breaker).toMatchObject({ state: 'open' })
    fleet.provisioner.reportSuccess(id!)
    expect(fleet.provisioner.launchState().breaker).toEqual({ state: 'closed' })
  })

  it.each(['come', 'are lost'])(
    'tries one machine at a time while boots fail for good, when answers %s: the next one once the wait is over, whatever became of the last',
    async (answers) => {
      await using fleet = await startFleet({ bootDelayMs: 500_000 })
      fleet.group.bootError = new GroupError('invalid_config', 'the image does not exist')
      fleet.group.bootsFailed = 1
      fleet.provisioner.request(1, { reason })
      await fleet.clock.advance(510_000)
      const breaker = (): LaunchBreaker => fleet.provisioner.launchState().breaker
      for (let trial = 1; trial <= 2; trial += 1) {
        const { state, probeAt } = breaker() as { state: string; probeAt: number }
        expect(state).toBe('open')
        await fleet.clock.advance(probeAt - fleet.clock.now())
        expect(breaker().state).toBe('half_open')
        if (answers === 'are lost') fleet.group.fail('increase', { kind: 'afterActing', error: new Error('cut') })
        for (let seconds = 0; seconds < 140; seconds += 1) {
          fleet.provisioner.request(3, { reason })
          await fleet.clock.advance(1000)
        }
        expect(fleet.calls('increase')).toHaveLength(1 + trial)
      }
    },
  )
})

it('says that boots failed when work says so, once for each instance, and forgets it when one is good', async () => {
  await using fleet = await startFleet()
  const [first, second, third] = await fleet.launch(3)
  for (let time = 0; time < 2; time += 1) fleet.provisioner.reportFailure(first!, new Error('the ready command failed'))
  expect(fleet.provisioner.launchState().backoffs).toMatchObject([
    { code: 'failed_boot', failures: 1, message: `instance ${first}: the ready command failed` },
  ])
  await fleet.clock.advance(20_000)
  fleet.provisioner.reportFailure(second!, new Error('the ready command failed'))
  expect(fleet.provisioner.launchState().backoffs).toMatchObject([{ code: 'failed_boot', failures: 2 }])
  fleet.provisioner.reportSuccess(third!)
  expect(fleet.provisioner.launchState().backoffs).toEqual([])
  fleet.provisioner.reportFailure(third!, new Error('later'))
  expect(fleet.provisioner.launchState().backoffs).toEqual([])
})
