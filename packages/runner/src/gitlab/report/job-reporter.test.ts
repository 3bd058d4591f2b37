import { crc32 } from 'node:zlib'
import { ManualClock } from '@runner-core/fleeting/testing'
import { type JobOutcome, Trace } from '@runner-core/job'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Received, ScriptedServer } from '../../../test/scripted-server.ts'
import { JobApiClient } from '../job-api-client.ts'
import { describeRunner } from '../runner-info.ts'
import { JobReporter, type JobReporterOptions } from './job-reporter.ts'

const features = { trace_sections: false, token_mask_prefixes: [], failure_reasons: ['job_canceled'] }
const job = { id: 7, token: 'job-token', features }
const success: JobOutcome = { state: 'success' }
const info = describeRunner({ version: '1.2.3', executor: 'instance', shell: 'bash', features: [] })
const MiB = 1024 * 1024

let server: ScriptedServer
let clock: ManualClock
let client: JobApiClient
let trace: Trace
let reporter: JobReporter

beforeEach(async () => {
  server = await ScriptedServer.start()
  clock = new ManualClock()
  client = new JobApiClient({
    url: server.url,
    token: 'x',
    systemId: 's_0123456789ab',
    info,
    environment: {},
    clock,
    random: () => 1,
  })
  trace = new Trace({ secrets: [], limitBytes: 100 * MiB })
  reporter = makeReporter()
})
afterEach(async () => {
  await client.close()
  await trace.close()
  await server[Symbol.asyncDispose]()
})

function makeReporter(options: Partial<JobReporterOptions> = {}): JobReporter {
  return new JobReporter({ client, job, trace, clock, random: () => 1, ...options })
}

const output = (text: string): Buffer => Buffer.from(text)

async function accepted(...headers: Record<string, string>[]): Promise<void> {
  server.answer('update', { headers: Object.assign({}, ...headers) })
  expect(await reporter.accept()).toBe('accepted')
  expect((await server.take()).json).toMatchObject({ token: 'job-token', state: 'running' })
}

/** Passes `ms` and waits for the request that comes then, and for its answer to be taken in. */
async function requestAfter(ms: number): Promise<Received> {
  await clock.advance(ms)
  const request = await server.take()
  while (clock.pendingTimers === 0 && !reporter.aborted.aborted) await new Promise(setImmediate)
  return request
}

/** Passes `ms` in which nothing is sent, nor about to be. */
async function silenceFor(ms: number): Promise<void> {
  await clock.advance(ms)
  expect(server.untaken).toBe(0)
  expect(clock.pendingTimers).toBe(1)
}

/** Lets time pass, in steps of `stepMs`, until `promise` settles. */
async function runOut<T>(promise: Promise<T>, stepMs = 100): Promise<T> {
  let settled = false
  const note = (): void => {
    settled = true
  }
  promise.then(note, note)
  while (!settled) {
    await new Promise(setImmediate)
    if (!settled && clock.pendingTimers > 0) await clock.advance(stepMs)
  }
  return await promise
}

const kindsAndStates = (): string[] =>
  server.received.map(({ kind, json }) => (kind === 'update' ? String(json['state']) : kind))

describe('accept', () => {
  it.each([400, 403, 404, 409])('%i: the job is gone, and nothing more is sent', async (status) => {
    server.answer('update', { status })
    expect(await reporter.accept()).toBe('gone')
    await trace.write(output('x'))
    reporter.flushNow()
    expect(clock.pendingTimers).toBe(0)
    expect(server.received).toHaveLength(1)
  })

  it('a job that is canceled already is gone', async () => {
    server.answer('update', { headers: { 'job-status': 'canceled' } })
    expect(await reporter.accept()).toBe('gone')
  })

  it('a job that is being canceled is accepted, and told so', async () => {
    await accepted({ 'job-status': 'canceling' })
    expect(reporter.canceling.reason).toMatchObject({ name: 'JobAbort', code: 'canceling' })
  })

  it('is tried again while the coordinator fails', async () => {
    server.answer('update', { status: 418 }, { reset: 'before' }, { reset: 'before' }, {})
    expect(await runOut(reporter.accept())).toBe('accepted')
    expect(clock.now()).toBe(new ManualClock().now() + 1500)
  })

  it('gives up in the end', async () => {
    server.answer('update', ...Array.from({ length: 8 }, () => ({ status: 418 })))
    await expect(runOut(reporter.accept())).rejects.toMatchObject({ code: 'rejected', status: 418 })
    expect(server.received).toHaveLength(8)
  })

  it('nothing is sent before it', async () => {
    await trace.write(output('early'))
    expect(clock.pendingTimers).toBe(0)
    await accepted()
    expect((await requestAfter(5)).body).toBe('early')
  })
})

describe('output', () => {
  it('that a job prints first goes out at once, with what the runner said before', async () => {
    await accepted()
    await trace.write('Running with runner-core\n')
    await silenceFor(20)
    await trace.write(output('hel'))
    await silenceFor(4)
    await trace.write(output('lo\n'))
    expect(await requestAfter(1)).toMatchObject({ kind: 'trace', body: 'Running with runner-core\nhello\n' })
  })

  it('of a job that ends at once costs one piece, and the job four requests with the one that fetched it', async () => {
    await accepted()
    await trace.write('Running\n')
    await trace.write(output('hello\n'))
    await clock.advance(3)
    expect(await reporter.finish(success)).toEqual({ delivered: true })
    expect(kindsAndStates()).toEqual(['running', 'trace', 'success'])
    const [, piece, end] = server.received
    expect(piece).toMatchObject({ body: 'Running\nhello\n', headers: { 'content-range': '0-13' } })
    const checksum = `crc32:${crc32('Running\nhello\n').toString(16).padStart(8, '0')}`
    expect(end!.json).toMatchObject({ checksum, output: { checksum, bytesize: 14 } })
    expect(clock.pendingTimers).toBe(0)
  })

  it('that only the runner wrote goes out a little later', async () => {
    await accepted()
    await trace.write('Waiting for a machine\n')
    await silenceFor(249)
    expect(await requestAfter(1)).toMatchObject({ body: 'Waiting for a machine\n' })
  })

  it('first of the job is not held up by what the runner wrote before', async () => {
    await accepted()
    await trace.write('Waiting\n')
    await requestAfter(250)
    await trace.write(output('hello\n'))
    expect(await requestAfter(5)).toMatchObject({ body: 'hello\n', headers: { 'content-range': '8-13' } })
  })

  it('after the first comes once in 3 s, at once after a longer silence', async () => {
    await accepted()
    await trace.write(output('1'))
    await requestAfter(5)
    await trace.write(output('2'))
    await silenceFor(1000)
    await trace.write(output('3'))
    await silenceFor(1999)
    expect((await requestAfter(1)).body).toBe('23')
    await silenceFor(4000)
    await trace.write(output('4'))
    expect((await requestAfter(5)).body).toBe('4')
  })

  it('comes as often as the server wants it, but at least every 15 minutes', async () => {
    await accepted()
    await trace.write(output('1'))
    server.answer('trace', { status: 202, headers: { 'x-gitlab-trace-update-interval': '60' } })
    await requestAfter(5)
    await trace.write(output('2'))
    await silenceFor(59_999)
    server.answer('trace', { status: 202, headers: { 'x-gitlab-trace-update-interval': '1000000' } })
    expect((await requestAfter(1)).body).toBe('2')
    await trace.write(output('3'))
    await silenceFor(899_999)
    server.answer('trace', { status: 202, headers: { 'x-gitlab-trace-update-interval': '1' } })
    expect((await requestAfter(1)).body).toBe('3')
    await trace.write(output('4'))
    await silenceFor(999)
    expect((await requestAfter(1)).body).toBe('4')
  })

  it('goes out now when it is asked to', async () => {
    await accepted()
    await trace.write(output('1'))
    await requestAfter(5)
    await trace.write('Waiting for a machine for 30s\n')
    reporter.flushNow()
    expect((await requestAfter(0)).body).toBe('Waiting for a machine for 30s\n')
  })

  it('is sent in pieces of 1 MiB, not too fast', async () => {
    await accepted()
    await trace.write(Buffer.alloc(2.5 * MiB, 'x'))
    expect((await requestAfter(5)).body).toHaveLength(MiB)
    await silenceFor(399)
    expect(await requestAfter(1)).toMatchObject({ headers: { 'content-range': `${MiB}-${2 * MiB - 1}` } })
    await silenceFor(2999)
    expect(await requestAfter(1)).toMatchObject({ headers: { 'content-range': `${2 * MiB}-${2.5 * MiB - 1}` } })
  })

  it('that the coordinator fails to take is sent again later', async () => {
    await accepted()
    await trace.write(output('1'))
    server.answer('trace', { status: 418 }, { status: 404 }, { reset: 'before' }, { reset: 'before' })
    await requestAfter(5)
    await trace.write(output('2'))
    for (let failure = 0; failure < 2; failure++) {
      await silenceFor(2999)
      expect((await requestAfter(1)).body).toBe('12')
    }
    await server.take()
    expect((await requestAfter(3000)).body).toBe('12')
    expect(reporter.aborted.aborted).toBe(false)
  })

  it.each([
    ['behind', '0-2', '34', '2-3'],
    ['ahead', '0-3', '4', '3-3'],
    ['nonsense', 'soon', '1234', '0-3'],
  ])('follows a server that is %s', async (_, range, body, contentRange) => {
    await accepted()
    await trace.write(output('1234'))
    server.answer('trace', { status: 416, headers: { range } })
    await requestAfter(5)
    expect(await requestAfter(0)).toMatchObject({ body, headers: { 'content-range': contentRange } })
  })

  it('is not sent again and again at once to a server that keeps correcting', async () => {
    await accepted()
    await trace.write(output('1234'))
    server.answer('trace', ...Array.from({ length: 9 }, () => ({ status: 416, headers: { range: '0-0' } })))
    await requestAfter(5)
    for (let correction = 0; correction < 8; correction++) await requestAfter(0)
    await silenceFor(2999)
    await requestAfter(1)
  })

  it('says whether it is a debug trace', async () => {
    reporter = makeReporter({ isDebugTrace: true })
    await accepted()
    await trace.write(output('x'))
    expect((await requestAfter(5)).path).toContain('debug_trace=true')
  })
})

describe('a silent job', () => {
  it('shows every 30 s that it runs', async () => {
    await accepted()
    await silenceFor(29_999)
    expect((await requestAfter(1)).json).toMatchObject({ state: 'running' })
    await trace.write(output('1'))
    await requestAfter(5)
    await silenceFor(29_999)
    expect((await requestAfter(1)).json).toMatchObject({ state: 'running' })
  })

  it('more often where the server names a shorter interval', async () => {
    await accepted({ 'x-gitlab-trace-update-interval': '2' })
    await silenceFor(1999)
    expect((await requestAfter(1)).kind).toBe('update')
    await silenceFor(1999)
    server.answer('update', { headers: { 'x-gitlab-trace-update-interval': '60' } })
    await requestAfter(1)
    await silenceFor(29_999)
    expect((await requestAfter(1)).kind).toBe('update')
  })

  it('does not insist on it when the coordinator fails', async () => {
    await accepted()
    server.answer('update', { status: 418 })
    await requestAfter(30_000)
    await silenceFor(2999)
    expect((await requestAfter(1)).kind).toBe('update')
    await silenceFor(29_999)
  })

  it('learns so that it is canceled', async () => {
    await accepted({ 'x-gitlab-trace-update-interval': '1' })
    server.answer('update', { headers: { 'job-status': 'canceling' } }, { headers: { 'job-status': 'canceled' } })
    await requestAfter(1000)
    expect(reporter.canceling.reason).toMatchObject({ code: 'canceling' })
    expect(reporter.aborted.aborted).toBe(false)
    await requestAfter(1000)
    expect(reporter.aborted.reason).toMatchObject({ name: 'JobAbort', code: 'canceled' })
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('a job is aborted', () => {
  it.each([
    ['canceled, on a piece of trace', 'trace', { status: 202, headers: { 'job-status': 'canceled' } }, 'canceled'],
    ['given up by the server', 'trace', { status: 202, headers: { 'job-status': 'failed' } }, 'dropped'],
    ['over, on a piece of trace', 'trace', { status: 403, headers: { 'job-status': 'success' } }, 'refused'],
    ['refused, with its state', 'trace', { status: 403, headers: { 'job-status': 'canceled' } }, 'canceled'],
    ['refused, on a sign of life', 'update', { status: 403 }, 'refused'],
    ['unknown, on a sign of life', 'update', { status: 404 }, 'refused'],
  ] as const)('%s', async (_, kind, answer, code) => {
    await accepted()
    if (kind === 'trace') await trace.write(output('x'))
    server.answer(kind, answer)
    await requestAfter(kind === 'trace' ? 5 : 30_000)
    expect(reporter.aborted.reason).toMatchObject({ code })
    expect(reporter.canceling.aborted).toBe(false)
    expect(clock.pendingTimers).toBe(0)
  })

  it('canceled: its end is delivered in one try', async () => {
    await accepted()
    await trace.write(output('x'))
    server.answer('trace', { status: 202, headers: { 'job-status': 'canceled' } })
    await requestAfter(5)
    await trace.write('ERROR: Job failed: canceled\n')
    server.answer('update', { status: 418 })
    const outcome: JobOutcome = { state: 'failed', reason: 'job_canceled', message: 'canceled' }
    expect(await reporter.finish(outcome)).toMatchObject({ delivered: false, error: { status: 418 } })
    expect(kindsAndStates()).toEqual(['running', 'trace', 'trace', 'failed'])
    expect(server.received[3]!.json).toMatchObject({ failure_reason: 'job_canceled' })
  })

  it('canceled: its end is delivered even if the only try for its trace fails', async () => {
    await accepted()
    await trace.write(output('x'))
    server.answer('trace', { status: 202, headers: { 'job-status': 'canceled' } }, { status: 501 })
    await requestAfter(5)
    await trace.write('ERROR: Job failed: canceled\n')
    expect(await reporter.finish({ state: 'failed', reason: 'job_canceled', message: 'canceled' })).toEqual({
      delivered: true,
    })
    expect(kindsAndStates()).toEqual(['running', 'trace', 'trace', 'failed'])
  })

  it('a refused piece of trace alone aborts no job: its state is asked for, the piece is sent again, and its end is reported', async () => {
    await accepted()
    await trace.write(output('x'))
    server.answer('trace', { status: 403, body: '<html>blocked</html>' })
    await requestAfter(5)
    expect((await requestAfter(0)).json).toMatchObject({ state: 'running' })
    expect(reporter.aborted.aborted).toBe(false)
    expect(await requestAfter(3_000)).toMatchObject({ kind: 'trace', body: 'x' })
    expect(await reporter.finish(success)).toEqual({ delivered: true })
    expect(kindsAndStates()).toEqual(['running', 'trace', 'running', 'trace', 'success'])
  })

  it.each([403, 404])(
    'a refused piece of trace, and %i for an update: the job is not ours any more',
    async (status) => {
      await accepted()
      await trace.write(output('x'))
      server.answer('trace', { status: 403 })
      server.answer('update', { status })
      await requestAfter(5)
      await server.take()
      while (!reporter.aborted.aborted) await new Promise(setImmediate)
      expect(reporter.aborted.reason).toMatchObject({ code: 'refused' })
      expect(clock.pendingTimers).toBe(0)
    },
  )

  it.each([401, 409, 410, 422, 501])(
    '%i for a piece of trace, or for a sign of life, aborts no job',
    async (status) => {
      await accepted()
      await trace.write(output('x'))
      server.answer('trace', { status })
      await requestAfter(5)
      expect(await requestAfter(3_000)).toMatchObject({ kind: 'trace', body: 'x' })
      server.answer('update', { status })
      await requestAfter(30_000)
      expect(reporter.aborted.aborted).toBe(false)
      expect(await reporter.finish(success)).toEqual({ delivered: true })
    },
  )

  it('refused: nothing more is sent', async () => {
    await accepted()
    server.answer('update', { status: 403 })
    await requestAfter(30_000)
    expect(await reporter.finish(success)).toMatchObject({ delivered: false, error: { code: 'refused' } })
    expect(server.untaken).toBe(0)
  })
})

describe('finish', () => {
  const finish = async (outcome: JobOutcome = success) => await runOut(reporter.finish(outcome), 1000)

  beforeEach(async () => {
    await accepted()
    await trace.write(output('hello'))
  })

  it.each([
    [
      { state: 'failed', reason: 'script_failure', exitCode: 3, message: '' },
      { state: 'failed', failure_reason: 'script_failure', exit_code: 3 },
    ],
    [
      { state: 'failed', reason: 'job_canceled', message: '' },
      { state: 'failed', failure_reason: 'job_canceled' },
    ],
    [
      { state: 'failed', reason: 'runner_configuration_error', message: '' },
      { state: 'failed', failure_reason: 'script_failure' },
    ],
    [
      { state: 'failed', reason: 'runner_interrupted', message: '' },
      { state: 'failed', failure_reason: 'runner_system_failure' },
    ],
  ] as const)('tells how the job ended: %o', async (outcome, json) => {
    expect(await finish(outcome)).toEqual({ delivered: true })
    expect(server.received.at(-1)!.json).toMatchObject(json)
  })

  it('sends all there is, piece after piece', async () => {
    await trace.write(Buffer.alloc(2 * MiB, 'x'))
    expect(await finish()).toEqual({ delivered: true })
    expect(kindsAndStates()).toEqual(['running', 'trace', 'trace', 'trace', 'success'])
    expect(
      server.received
        .slice(1, 4)
        .map(({ body }) => body)
        .join(''),
    ).toHaveLength(2 * MiB + 5)
  })

  it('waits for what is under way', async () => {
    let release = (): void => {}
    server.answer('trace', { after: new Promise<void>((resolve) => (release = resolve)), status: 202 })
    await clock.advance(5)
    await server.take()
    await trace.write(output(' world'))
    const finished = reporter.finish(success)
    release()
    expect(await finished).toEqual({ delivered: true })
    expect(server.received.map(({ body, kind }) => (kind === 'trace' ? body : kind))).toEqual([
      'update',
      'hello',
      ' world',
      'update',
    ])
  })

  it('412: sends the whole trace again', async () => {
    server.answer('update', { status: 412 })
    expect(await finish()).toEqual({ delivered: true })
    expect(kindsAndStates()).toEqual(['running', 'trace', 'success', 'trace', 'success'])
    expect(server.received[3]).toMatchObject({ body: 'hello', headers: { 'content-range': '0-4' } })
  })

  it('412 each time: tells the end without a checksum', async () => {
    server.answer('update', ...Array.from({ length: 6 }, () => ({ status: 412 })))
    expect(await finish()).toEqual({ delivered: true })
    const last = server.received.at(-1)!.json
    expect(last).toMatchObject({ state: 'success' })
    expect(last).not.toHaveProperty('output')
    expect(kindsAndStates().filter((kind) => kind === 'trace')).toHaveLength(6)
  })

  it('412 whatever is sent: gives up', async () => {
    server.answer('update', ...Array.from({ length: 9 }, () => ({ status: 412 })))
    expect(await finish()).toMatchObject({ delivered: false, error: { status: 412 } })
    expect(server.received.filter(({ kind }) => kind === 'update')).toHaveLength(8)
  })

  it('202: asks again after the interval', async () => {
    const startedAt = clock.now()
    server.answer('update', { status: 202, headers: { 'x-gitlab-trace-update-interval': '1' } }, { status: 202 })
    expect(await finish()).toEqual({ delivered: true })
    expect(clock.now() - startedAt).toBe(4000)
    expect(kindsAndStates()).toEqual(['running', 'trace', 'success', 'success', 'success'])
  })

  it('202 for ever: gives up', async () => {
    server.answer(
      'update',
      ...Array.from({ length: 30 }, () => ({ status: 202, headers: { 'x-gitlab-trace-update-interval': '60' } })),
    )
    expect(await finish()).toMatchObject({ delivered: false, error: { code: 'unfinished' } })
    expect(server.received.filter(({ kind }) => kind === 'update').length).toBeLessThan(15)
  })

  it.each([400, 403, 404, 409])('%i: the job is not ours any more', async (status) => {
    server.answer('update', { status, body: '{"message":"no"}' })
    expect(await finish()).toMatchObject({
      delivered: false,
      error: { name: 'JobApiError', status, message: expect.stringContaining('no') },
    })
    expect(server.received).toHaveLength(3)
  })

  it('403 with the state that we reported: an earlier try got through', async () => {
    server.answer('update', { reset: 'before' }, { status: 403, headers: { 'job-status': 'success' } })
    expect(await finish()).toEqual({ delivered: true })
    expect(server.received).toHaveLength(4)
  })

  it.each([401, 403])('%i for the trace, once: it is sent again, and the end is reported with it', async (status) => {
    server.answer('trace', { status })
    expect(await finish()).toEqual({ delivered: true })
    expect(kindsAndStates()).toEqual(['running', 'trace', 'trace', 'success'])
    expect(server.received.at(-1)!.json).toHaveProperty('output')
  })

  it.each([401, 403])('%i for the trace, five times: the end is reported without it', async (status) => {
    server.answer('trace', ...Array.from({ length: 5 }, () => ({ status })))
    expect(await finish()).toEqual({ delivered: true })
    expect(kindsAndStates()).toEqual(['running', ...Array.from({ length: 5 }, () => 'trace'), 'success'])
    expect(server.received.at(-1)!.json).not.toHaveProperty('output')
  })

  it.each([401, 410, 422, 429, 501])('%i for the end, once: it is reported by the next attempt', async (status) => {
    server.answer('update', { status })
    expect(await finish()).toEqual({ delivered: true })
  })

  it.each([
    [400, {}],
    [403, { 'job-status': 'failed' }],
    [404, {}],
    [413, {}],
  ])('%i %o for the trace: the end is told without it', async (status, headers) => {
    server.answer('trace', { status, headers })
    expect(await finish()).toEqual({ delivered: true })
    expect(server.received.at(-1)!.json).not.toHaveProperty('output')
  })

  it('goes on where a server has less or more of the trace', async () => {
    server.answer('trace', { status: 416, headers: { range: '0-3' } })
    expect(await finish()).toEqual({ delivered: true })
    expect(server.received[2]).toMatchObject({ body: 'lo', headers: { 'content-range': '3-4' } })
  })

  it('tries ten times with growing pauses, then gives up', async () => {
    const startedAt = clock.now()
    server.answer('trace', ...Array.from({ length: 20 }, () => ({ status: 501 })))
    server.answer('update', ...Array.from({ length: 20 }, () => ({ status: 501 })))
    expect(await finish()).toMatchObject({ delivered: false, error: { status: 501 } })
    expect(server.received.filter(({ kind }) => kind === 'trace')).toHaveLength(10)
    expect(clock.now() - startedAt).toBe(511_000)
  })

  it('told without its trace, when the coordinator fails to take it five times in a row', async () => {
    server.answer('trace', ...Array.from({ length: 20 }, () => ({ status: 501 })))
    expect(await finish()).toEqual({ delivered: true })
    expect(kindsAndStates()).toEqual(['running', 'trace', 'trace', 'trace', 'trace', 'trace', 'success'])
    expect(server.received.at(-1)!.json).not.toHaveProperty('output')
  })

  it('with all of its trace, when the coordinator takes it again after the end was not taken without it', async () => {
    server.answer('trace', ...Array.from({ length: 5 }, () => ({ status: 501 })))
    server.answer('update', { status: 501 })
    expect(await finish()).toEqual({ delivered: true })
    expect(server.received.at(-1)!.json).toMatchObject({ state: 'success', output: { bytesize: 5 } })
  })

  it('gets through when the coordinator comes back', async () => {
    server.answer('trace', { status: 501 }, { reset: 'before' }, { reset: 'before' })
    server.answer('update', { reset: 'before' }, { reset: 'before' }, { status: 501 })
    expect(await finish()).toEqual({ delivered: true })
    expect(server.received.at(-1)!.json).toMatchObject({ state: 'success', output: { bytesize: 5 } })
  })

  it('stops when it is told to', async () => {
    const abort = new AbortController()
    server.answer('trace', { after: new Promise(() => {}) })
    await clock.advance(5)
    const finished = reporter.finish(success, abort.signal)
    await server.take()
    abort.abort(new Error('no time'))
    expect(await finished).toMatchObject({ delivered: false, error: { message: 'no time' } })
    expect(clock.pendingTimers).toBe(0)
  })

  it('tells the end of a job whose trace cannot be read', async () => {
    trace.read = () => Promise.reject(new Error('EIO'))
    expect(await finish()).toEqual({ delivered: true })
    expect(kindsAndStates()).toEqual(['running', 'success'])
  })
})
