import { crc32 } from 'node:zlib'
import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Coordinator, type CoordinatorOptions } from './coordinator.ts'

const info = { name: 'r', version: '1', revision: 'x', platform: 'linux', architecture: 'amd64', executor: 'instance', shell: 'bash' }
const twoPhase = { two_phase_job_commit: true, cancel_gracefully: true, trace_checksum: true }

let coordinator: Coordinator
let clock: ManualClock
beforeEach(() => {
  clock = new ManualClock()
})
afterEach(() => coordinator.close())

async function start(options: CoordinatorOptions = {}): Promise<Coordinator> {
  coordinator = await Coordinator.start({ clock, ...options })
  return coordinator
}

interface JobReply {
  readonly id: number
  readonly token: string
  readonly variables: { key: string; value: string }[]
}

/** A runner that does as it is told, one request at a time. */
const runner = {
  post: (path: string, body: object, headers: Record<string, string> = {}) =>
    fetch(`${coordinator.url}/api/v4/${path}`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/json',
        'RUNNER-TOKEN': Coordinator.token,
        'User-Agent': 'raw',
        ...headers,
      },
      body: JSON.stringify(body),
    }),
  request: (lastUpdate?: string, features: object = twoPhase, token = Coordinator.token) =>
    runner.post(
      'jobs/request',
      { token, system_id: 's_0123456789ab', info: { ...info, features }, ...(lastUpdate === undefined ? {} : { last_update: lastUpdate }) },
      { 'RUNNER-TOKEN': token },
    ),
  take: async (features?: object): Promise<JobReply> => (await (await runner.request(undefined, features)).json()) as JobReply,
  put: (job: JobReply, body: object) =>
    fetch(`${coordinator.url}/api/v4/jobs/${job.id}`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json', 'JOB-TOKEN': job.token },
      body: JSON.stringify({ token: job.token, info, ...body }),
    }),
  patch: (job: JobReply, start: number, text: string, range = `${start}-${start + Buffer.byteLength(text) - 1}`) =>
    fetch(`${coordinator.url}/api/v4/jobs/${job.id}/trace?debug_trace=false`, {
      method: 'PATCH',
      headers: { 'Content-Type': 'text/plain', 'JOB-TOKEN': job.token, 'Content-Range': range },
      body: text,
    }),
  finish: (job: JobReply, text: string, body: object = { state: 'success' }) => {
    const checksum = `crc32:${crc32(text).toString(16).padStart(8, '0')}`
    return runner.put(job, { checksum, output: { checksum, bytesize: Buffer.byteLength(text) }, ...body })
  },
  /** Takes a job and accepts it. */
  begin: async (): Promise<JobReply> => {
    const job = await runner.take()
    await runner.put(job, { state: 'running' })
    return job
  },
}

const rules = (): string[] => coordinator.violations.map(({ rule }) => rule)

describe('asking for jobs', () => {
  test('a whole job without a violation', async () => {
    await start()
    const job = coordinator.enqueue({ script: ['true'], marker: 'lo wor', variables: [{ key: 'A', value: 'b', masked: true }] })
    const json = await runner.take()
    expect(job.state).toBe('assigned')
    expect(json.variables.at(-1)).toEqual({ key: 'A', value: 'b', public: true, file: false, masked: true, raw: false })
    expect((await runner.put(json, { state: 'running' })).status).toBe(200)
    await clock.advance(5)
    expect((await runner.patch(json, 0, 'hello ')).headers.get('range')).toBe('0-6')
    await clock.advance(5)
    expect((await runner.patch(json, 6, 'wörld\n')).status).toBe(202)
    expect((await runner.finish(json, 'hello wörld\n', { state: 'failed', failure_reason: 'script_failure', exit_code: 7 })).status).toBe(
      200,
    )
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
    expect([told.status, told.headers.get('x-gitlab-last-update'), told.headers.get('gitlab-ci-builds-polling')]).toEqual([
      204,
      null,
      'yes',
    ])
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
    expect([second.status, second.headers.get('x-gitlab-last-update'), second.headers.get('gitlab-ci-builds-polling')]).toEqual([
      204,
      value,
      null,
    ])
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
    const verify = (token: string) => runner.post('runners/verify', { token, system_id: 'r_ABCabc012345' }, { 'RUNNER-TOKEN': token })
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

describe('trace', () => {
  test('a patch anywhere but at the end is answered with the end', async () => {
    await start()
    coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    await runner.patch(job, 0, 'abc')
    for (const at of [0, 2, 4]) {
      const refused = await runner.patch(job, at, 'zz')
      expect([refused.status, refused.headers.get('range')]).toEqual([416, '0-3'])
    }
    expect(rules()).toEqual(['range_mismatch', 'range_mismatch', 'range_mismatch'])
    expect(coordinator.jobs[0]!.trace.text()).toBe('abc')
  })

  test.each([['bytes 0-2'], ['0-2/3'], ['0-3'], ['0']])('a Content-Range of %j for three bytes is noted', async (range) => {
    await start()
    coordinator.enqueue({ script: [] })
    await runner.patch(await runner.begin(), 0, 'abc', range)
    expect(rules()).toContain('content_range')
  })

  test('patches that are empty, too large or too many', async () => {
    await start({ jobRequestsPerMinute: 3, traceLimitBytes: 2 ** 21 })
    coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    await runner.patch(job, 0, '', '0-0')
    await runner.patch(job, 0, 'x'.repeat(2 ** 20 + 1))
    await runner.patch(job, 2 ** 20 + 1, 'y')
    expect(rules()).toEqual(['content_range', 'chunk_size', 'chunk_size'])
    const limited = await runner.patch(job, 2 ** 20 + 2, 'y')
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '60'])
    expect((await runner.patch(job, 2 ** 20 + 2, 'y')).status).toBe(429)
    expect(rules().at(-1)).toBe('retried_too_early')
    await clock.advance(60_000)
    expect((await runner.patch(job, 2 ** 20 + 2, 'y'.repeat(2 ** 20))).status).toBe(403)
    expect(coordinator.jobs[0]).toMatchObject({ state: 'failed', failureReason: 'trace_size_exceeded' })
  })

  test('the token of another job is refused', async () => {
    await start()
    coordinator.enqueue({ script: [] })
    coordinator.enqueue({ script: [] })
    const [one, two] = [await runner.begin(), await runner.begin()]
    expect((await runner.patch({ ...one, token: two.token }, 0, 'x')).status).toBe(403)
    expect((await runner.put({ ...one, token: two.token }, { state: 'running' })).status).toBe(403)
    expect(rules()).toEqual(['token', 'token'])
    expect(coordinator.violations[0]).toMatchObject({ jobId: one.id, runnerToken: Coordinator.token })
  })
})

describe('the end', () => {
  test('a wrong checksum or size is 412, and the whole trace may be sent again', async () => {
    await start()
    const handle = coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    await runner.patch(job, 0, 'abc')
    expect((await runner.finish(job, 'abd')).status).toBe(412)
    expect(rules()).toEqual(['checksum_mismatch'])
    expect(handle.state).toBe('running')
    await runner.patch(job, 0, 'abd')
    expect((await runner.put(job, { state: 'success', output: { checksum: handle.trace.checksum, bytesize: 4 } })).status).toBe(412)
    await runner.patch(job, 0, 'abd')
    expect((await runner.finish(job, 'abd')).status).toBe(200)
    expect(handle.trace.text()).toBe('abd')
  })

  test('after the end everything is 403, and a runner that was told and goes on is noted', async () => {
    await start()
    coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    await runner.finish(job, '')
    for (const answer of [await runner.patch(job, 0, 'x'), await runner.finish(job, '')]) {
      expect([answer.status, answer.headers.get('job-status')]).toEqual([403, 'success'])
    }
    expect(rules()).toEqual(['request_after_end', 'request_after_end'])
  })

  test('odd reasons and exit codes are noted', async () => {
    await start()
    for (const body of [
      { state: 'failed' },
      { state: 'failed', failure_reason: 'job_canceled' },
      { state: 'success', failure_reason: 'script_failure' },
      { state: 'success', exit_code: 1 },
      { state: 'failed', failure_reason: 'script_failure', exit_code: '1' },
    ]) {
      coordinator.enqueue({ script: [] })
      await runner.finish(await runner.begin(), '', body)
    }
    expect(rules()).toEqual(['failure_reason', 'failure_reason', 'failure_reason', 'exit_code', 'exit_code'])
  })

  test('cancel: waiting jobs at once, running ones when their runner has ended them, unless forced', async () => {
    await start()
    const [waiting, graceful, forced] = [
      coordinator.enqueue({ script: [] }),
      coordinator.enqueue({ script: [] }),
      coordinator.enqueue({ script: [] }),
    ]
    waiting.cancel()
    expect(waiting.state).toBe('canceled')
    const first = await runner.begin()
    graceful.cancel()
    expect((await runner.patch(first, 0, 'x')).headers.get('job-status')).toBe('canceling')
    await runner.finish(first, 'x', { state: 'failed', failure_reason: 'unknown_failure' })
    expect(graceful.state).toBe('canceled')
    const second = await runner.begin()
    forced.cancel()
    forced.cancel()
    expect((await runner.put(second, { state: 'running' })).headers.get('job-status')).toBe('canceled')
    expect(coordinator.violations).toEqual([])
    await runner.put(second, { state: 'running' })
    expect(rules()).toEqual(['request_after_end'])
  })
})

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
    coordinator.inject({ on: 'finish', times: 2, reply: { status: 202, headers: { 'X-GitLab-Trace-Update-Interval': '1' } } })
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
