import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RawRunner } from '../../test/raw-runner.ts'
import { Coordinator, type CoordinatorOptions } from './coordinator.ts'

let clock: ManualClock
let coordinator: Coordinator
let runner: RawRunner
beforeEach(() => {
  clock = new ManualClock()
})
afterEach(() => coordinator.close())

async function start(options: CoordinatorOptions = {}): Promise<void> {
  coordinator = await Coordinator.start({ clock, ...options })
  runner = new RawRunner(coordinator.url)
}

const rules = (): string[] => coordinator.violations.map(({ rule }) => rule)

describe('faults', () => {
  test('they hit the requests they name, in order, and the rest is honest', async () => {
    await start()
    coordinator.inject({ on: 'request', reply: { status: 503, headers: { 'Retry-After': '2' } } })
    coordinator.inject({ on: 'request', skip: 2, times: 2, reply: { status: 409 } })
    const statuses: number[] = []
    for (let i = 0; i < 5; i += 1) statuses.push((await runner.request()).status)
    expect(statuses).toEqual([503, 204, 409, 409, 204])
    expect([coordinator.count('request'), coordinator.count('request', 409)]).toEqual([5, 2])
  })

  test('a reply may be lost after its request took effect, and the runner may then repeat itself', async () => {
    await start()
    const handle = coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    coordinator.inject({ on: 'trace', jobId: job.id, reply: 'drop', effective: true })
    await expect(runner.patch(job, 0, 'abc')).rejects.toThrow()
    expect(handle.trace.text()).toBe('abc')
    expect((await runner.patch(job, 0, 'abc')).status).toBe(416)
    coordinator.inject({ on: 'finish', reply: 'drop' })
    await expect(runner.finish(job, 'abc')).rejects.toThrow()
    expect(handle.state).toBe('running')
    expect(coordinator.violations).toEqual([])
  })

  test('202 puts the end off, and the runner must wait as long as it says', async () => {
    await start()
    const handle = coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    coordinator.inject({
      on: 'finish',
      times: 2,
      reply: { status: 202, headers: { 'X-GitLab-Trace-Update-Interval': '1' } },
    })
    expect((await runner.finish(job, '')).status).toBe(202)
    await clock.advance(1000)
    expect((await runner.finish(job, '')).status).toBe(202)
    await clock.advance(500)
    expect((await runner.finish(job, '')).status).toBe(200)
    expect(handle.state).toBe('success')
    expect(rules()).toEqual(['retried_too_early'])
  })

  test('a late reply, and one that was changed', async () => {
    await start()
    coordinator.inject({ on: 'request', delayMs: 100, reply: (honest) => ({ ...honest, body: '{"id":"seven"}' }) })
    coordinator.enqueue({ script: [] })
    const late = runner.request()
    await expect.poll(() => clock.pendingTimers).toBeGreaterThan(1)
    await clock.advance(100)
    expect(await (await late).json()).toEqual({ id: 'seven' })
  })

  test('a 412 out of nowhere forgets the trace, so that it is sent again', async () => {
    await start()
    const handle = coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    await runner.patch(job, 0, 'abc')
    coordinator.inject({ on: 'finish', reply: { status: 412 } })
    expect((await runner.finish(job, 'abc')).status).toBe(412)
    expect((await runner.patch(job, 0, 'abc')).status).toBe(202)
    expect((await runner.finish(job, 'abc')).status).toBe(200)
    expect(handle.trace.text()).toBe('abc')
    expect(coordinator.violations).toEqual([])
  })
})
