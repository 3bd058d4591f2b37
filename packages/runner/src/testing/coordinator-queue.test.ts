import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { info, RawRunner, twoPhase } from '../../test/raw-runner.ts'
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

describe('asking for jobs', () => {
  test('a whole job without a violation', async () => {
    await start()
    const job = coordinator.enqueue({
      script: ['true'],
      marker: 'lo wor',
      variables: [{ key: 'A', value: 'b', masked: true }],
    })
    const json = await runner.take()
    expect(job.state).toBe('assigned')
    expect(json.variables.at(-1)).toEqual({ key: 'A', value: 'b', public: true, file: false, masked: true, raw: false })
    expect((await runner.put(json, { state: 'running' })).status).toBe(200)
    await clock.advance(5)
    expect((await runner.patch(json, 0, 'hello ')).headers.get('range')).toBe('0-6')
    await clock.advance(5)
    expect((await runner.patch(json, 6, 'wörld\n')).status).toBe(202)
    expect(
      (await runner.finish(json, 'hello wörld\n', { state: 'failed', failure_reason: 'script_failure', exit_code: 7 }))
        .status,
    ).toBe(200)
    expect(await job.finished).toMatchObject({ state: 'failed', failureReason: 'script_failure', exitCode: 7 })
    expect(job.trace.text()).toBe('hello wörld\n')
    expect(job.times.firstTraceAt! - job.times.handedOutAt!).toBe(5)
    expect(job.times.firstOutputAt).toBeUndefined()
    expect(coordinator.violations).toEqual([])
  })

  test('the marker is found across patches and dates the first output', async () => {
    await start()
    const job = coordinator.enqueue({ script: ['true'], marker: 'MARK' })
    const json = await runner.begin()
    await runner.patch(json, 0, 'xxMA')
    await clock.advance(3)
    await runner.patch(json, 4, 'RK')
    await clock.advance(3)
    await runner.patch(json, 6, 'MARK')
    expect(job.times.firstOutputAt! - job.times.firstTraceAt!).toBe(3)
  })

  test('a request that knows the newest value is parked until a job comes, then told to come again', async () => {
    await start()
    const first = await runner.request()
    expect(first.status).toBe(204)
    const value = first.headers.get('x-gitlab-last-update')!
    const parked = runner.request(value)
    await expect.poll(() => coordinator.parkedRequests).toBe(1)
    coordinator.enqueue({ script: ['true'] })
    const told = await parked
    expect([
      told.status,
      told.headers.get('x-gitlab-last-update'),
      told.headers.get('gitlab-ci-builds-polling'),
    ]).toEqual([204, null, 'yes'])
    expect((await runner.request(value)).status).toBe(201)
  })

  test('a parked request ends after its time, and is forgotten when its client goes', async () => {
    await start({ longPollMs: 1000 })
    const value = (await runner.request()).headers.get('x-gitlab-last-update')!
    const parked = runner.request(value)
    await expect.poll(() => coordinator.parkedRequests).toBe(1)
    await clock.advance(1000)
    expect((await parked).status).toBe(204)

    const abort = new AbortController()
    const gone = fetch(`${coordinator.url}/api/v4/jobs/request`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token: Coordinator.token, last_update: value, info }),
      signal: abort.signal,
    })
    await expect.poll(() => coordinator.parkedRequests).toBe(1)
    abort.abort()
    await expect(gone).rejects.toThrow()
    await expect.poll(() => coordinator.parkedRequests).toBe(0)
    expect(clock.pendingTimers).toBe(0)
  })

  test('without long polling a request that knows the newest value is answered at once', async () => {
    await start({ longPollMs: 0 })
    const first = await runner.request()
    const value = first.headers.get('x-gitlab-last-update')!
    const second = await runner.request(value)
    expect([
      second.status,
      second.headers.get('x-gitlab-last-update'),
      second.headers.get('gitlab-ci-builds-polling'),
    ]).toEqual([204, value, null])
  })

  test('an unknown token is refused; a missing header, a wrong id and missing info are noted', async () => {
    await start()
    expect((await runner.request(undefined, twoPhase, 'glrt-other')).status).toBe(403)
    expect(rules()).toEqual([])
    await runner.post('jobs/request', { token: Coordinator.token, system_id: 'me' }, { 'RUNNER-TOKEN': 'x' })
    expect(rules()).toEqual(['token', 'system_id', 'info'])
    expect((await runner.post('jobs/request', { token: Coordinator.token, info: 'x'.repeat(40_000) })).status).toBe(413)
    expect((await runner.post('runners', {})).status).toBe(404)
    expect(rules().slice(3)).toEqual(['body', 'unknown_endpoint'])
  })

  test('verify answers the runner, or refuses it', async () => {
    await start({ tokens: ['a', 'b'] })
    const verify = (token: string) =>
      runner.post('runners/verify', { token, system_id: 'r_ABCabc012345' }, { 'RUNNER-TOKEN': token })
    expect(await (await verify('b')).json()).toEqual({ id: 2, token: 'b', token_expires_at: null })
    expect((await verify('c')).status).toBe(403)
    expect(coordinator.violations).toEqual([])
  })

  test('a job goes only to the runner it is for, and fails when that lacks a feature', async () => {
    await start({ tokens: ['a', 'b'] })
    const forB = coordinator.enqueue({ script: [], runnerToken: 'b' })
    const demanding = coordinator.enqueue({ script: [], requires: ['vault_secrets'] })
    const plain = coordinator.enqueue({ script: [] })
    expect(await (await runner.request(undefined, twoPhase, 'a')).json()).toMatchObject({ id: plain.id })
    expect(demanding).toMatchObject({ state: 'failed', failureReason: 'runner_unsupported' })
    expect(await (await runner.request(undefined, twoPhase, 'b')).json()).toMatchObject({ id: forB.id })
  })
})

describe('two-phase commit', () => {
  test('without it a job runs when it is handed out', async () => {
    await start()
    const job = coordinator.enqueue({ script: [] })
    await runner.take({})
    expect(job.state).toBe('running')
  })

  test('a job that nobody accepts goes to the next, and the first one is told 409', async () => {
    await start({ ackWindowMs: 1000 })
    const job = coordinator.enqueue({ script: [] })
    const first = await runner.take()
    await clock.advance(900)
    expect((await runner.put(first, { state: 'pending' })).status).toBe(200)
    await clock.advance(900)
    expect(job.state).toBe('assigned')
    await clock.advance(100)
    expect(job.state).toBe('pending')
    const second = await runner.take()
    expect((await runner.put(first, { state: 'running' })).status).toBe(409)
    expect((await runner.put(second, { state: 'running' })).status).toBe(200)
    expect((await runner.patch(first, 0, 'x')).status).toBe(403)
    expect(coordinator.violations).toEqual([])
  })

  test('neither a trace nor an end comes before the acceptance', async () => {
    await start()
    coordinator.enqueue({ script: [] })
    const job = await runner.take()
    expect((await runner.patch(job, 0, 'x')).status).toBe(403)
    expect((await runner.finish(job, '')).status).toBe(400)
    expect(rules()).toEqual(['not_accepted', 'not_accepted'])
    await runner.put(job, { state: 'running' })
    expect((await runner.put(job, { state: 'pending' })).status).toBe(409)
  })
})
