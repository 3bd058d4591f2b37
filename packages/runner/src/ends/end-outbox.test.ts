import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@runner-core/fleeting'
import { Journal, MemoryStateStore } from '@runner-core/fleeting/state'
import { ManualClock } from '@runner-core/fleeting/testing'
import { type JobPayload, Trace } from '@runner-core/job'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { JobApiError } from '../gitlab/http/job-api-error.ts'
import type { JobReply } from '../gitlab/job-reply.ts'
import { JobJournal } from '../state/job-journal.ts'
import type { KeptEnd } from '../state/kept-end.ts'
import { KeptTails } from '../state/kept-tails.ts'
import { Seal } from '../state/seal.ts'
import { EndOutbox } from './end-outbox.ts'

const jobOf = (id: number): JobPayload =>
  ({ id, token: 't', features: { failure_reasons: [] } }) as unknown as JobPayload
const seal = new Seal(Buffer.alloc(32))

let clock: ManualClock
let store: MemoryStateStore
let directory: string
/** What the coordinator answers: a status, or nothing at all. */
let answer: (request: 'trace' | 'running' | 'end') => number | undefined
let retryAfterMs: number | undefined
/** What it has, by job. */
let traces: Map<number, string>
let ends: [number, object][]
let requests: number
let opened: Trace[]

beforeEach(() => {
  clock = new ManualClock()
  store = new MemoryStateStore()
  directory = mkdtempSync(join(tmpdir(), 'runner-core-ends-'))
  answer = () => undefined
  retryAfterMs = undefined
  traces = new Map()
  ends = []
  requests = 0
  opened = []
})

afterEach(async () => {
  for (const trace of opened) await trace.close()
  rmSync(directory, { recursive: true, force: true })
})

function reply(request: 'trace' | 'running' | 'end', good: number, traceSize = 0): JobReply {
  requests++
  const status = answer(request) ?? good
  if (status === 0) throw new JobApiError('unreachable', 'no connection', { retryAfterMs })
  return { status, traceSize, message: '', jobStatus: undefined, updateIntervalMs: undefined, retryAfterMs } as JobReply
}

const client = {
  updateJob: async ({ id }: { readonly id: number }, update: { readonly state: string }): Promise<JobReply> => {
    const result = reply(update.state === 'running' ? 'running' : 'end', 200)
    if (update.state !== 'running' && result.status === 200) ends.push([id, update])
    return result
  },
  patchTrace: async (
    { id }: { readonly id: number },
    { start, bytes }: { readonly start: number; readonly bytes: Buffer },
  ): Promise<JobReply> => {
    const stored = traces.get(id) ?? ''
    if (start !== stored.length) return reply('trace', 416, stored.length)
    const result = reply('trace', 202, stored.length + bytes.length)
    if (result.status === 202) traces.set(id, stored + bytes.toString())
    return result
  },
}

interface Process {
  readonly outbox: EndOutbox
  readonly jobs: JobJournal
  readonly tails: KeptTails
}

async function start({ limitBytes }: { readonly limitBytes?: number } = {}): Promise<Process> {
  const lease = await store.lease('fleet', { takeover: true })
  const jobs = new JobJournal({ journal: Journal.over({ lease, clock, logger: silentLogger }), seal, runner: 'a' })
  const tails = new KeptTails({
    directory: join(directory, 'ends'),
    seal,
    ...(limitBytes !== undefined && { limitBytes }),
  })
  return {
    jobs,
    tails,
    outbox: new EndOutbox({ client, journal: jobs, tails, clock, random: () => 1, logger: silentLogger }),
  }
}

const withoutState = (): EndOutbox => new EndOutbox({ client, clock, random: () => 1, logger: silentLogger })

/** Ends a job whose coordinator has the first bytes of its log, as `ActiveJob` does. */
async function endJob(
  outbox: EndOutbox,
  id: number,
  text: string,
  { sentBytes = 0, jobs }: { sentBytes?: number; jobs?: JobJournal } = {},
) {
  traces.set(id, text.slice(0, sentBytes))
  const trace = new Trace({ secrets: [], limitBytes: 64 * 1024 * 1024 })
  opened.push(trace)
  for (let at = 0; at < text.length; at += 1024 * 1024) await trace.write(Buffer.from(text.slice(at, at + 1024 * 1024)))
  trace.end()
  const job = jobOf(id)
  await jobs?.took({ payload: job, acquisitionKey: 'k', takenAt: 1 })
  const ended = { job, outcome: { state: 'success' as const }, trace, sentBytes }
  const kept = await outbox.keep(ended)
  const checksum = { crc32: trace.crc32, bytes: trace.size }
  const give = async (): Promise<void> => {
    await outbox.take(ended, kept, new Error('the coordinator is down'))
    await trace.close()
  }
  return { kept, checksum, give }
}

/** Files are read in their own time. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await clock.advance(1_000)
    await new Promise(setImmediate)
  }
}

const long = 'a line of a log that is long\n'.repeat(40_000)

describe('EndOutbox', () => {
  test.each([
    ['in the journal', 'hello, world', 5],
    ['in a file', long, 7],
  ])('tells an end for as long as it takes, with the rest of the log %s', async (_where, text, sentBytes) => {
    const { outbox, jobs } = await start()
    answer = () => 0
    const { give, checksum } = await endJob(outbox, 1, text, { sentBytes, jobs })
    await give()
    await clock.advance(3 * 3_600_000)
    expect([outbox.count, outbox.oldestMs, ends]).toEqual([1, 3 * 3_600_000, []])
    // A minute apart.
    expect(requests).toBeGreaterThan(3 * 60)
    expect(requests).toBeLessThan(3 * 60 + 20)
    answer = () => undefined
    await until(() => outbox.count === 0)
    expect(traces.get(1) === text).toBe(true)
    expect(ends).toMatchObject([[1, { state: 'success', output: checksum }]])
    expect([outbox.count, outbox.untold, await jobs.load()]).toEqual([0, 0, []])
    await until(() => readdirSync(directory, { recursive: true }).length <= 1)
    expect(readdirSync(directory, { recursive: true }).filter((name) => name !== 'ends')).toEqual([])
  })

  test.each([
    ['where it was known to stand', 5],
    ['after a piece whose arrival nobody heard of', 9],
    ['where all of it has come', 12],
  ])('goes on in the next process %s, before there is a fleet', async (_name, known) => {
    const first = await start()
    answer = () => 0
    await endJob(first.outbox, 1, 'hello, world', { sentBytes: 5, jobs: first.jobs })
    traces.set(1, 'hello, world'.slice(0, known))
    answer = () => undefined
    const { outbox, jobs } = await start()
    for (const { payload, end } of await jobs.load()) outbox.restore(payload, end as unknown as KeptEnd)
    await clock.advance(1_000)
    expect([traces.get(1), ends.map(([id]) => id), await jobs.load()]).toEqual(['hello, world', [1], []])
  })

  test('goes on in the next process with a log in a file, in which nothing can be read', async () => {
    const first = await start()
    const { kept } = await endJob(first.outbox, 1, long, { sentBytes: 7, jobs: first.jobs })
    expect(kept).toMatchObject({ tail: '', tailFile: expect.any(String) })
    expect(readFileSync(join(directory, 'ends', kept!.tailFile!), 'latin1')).not.toContain('a line of')
    const { outbox, jobs, tails } = await start()
    const left = await jobs.load()
    await tails.sweep(new Set([kept!.tailFile!]))
    for (const { payload, end } of left) outbox.restore(payload, end as unknown as KeptEnd)
    await until(() => outbox.count === 0)
    expect([traces.get(1) === long, ends.length, await jobs.load()]).toEqual([true, 1, []])
  })

  test('tells an end that an earlier version kept whole', async () => {
    const { outbox, jobs } = await start()
    await jobs.took({ payload: jobOf(1), acquisitionKey: 'k', takenAt: 1 })
    traces.set(1, 'hello')
    const tail = Buffer.from(', world').toString('base64')
    outbox.restore(jobOf(1), { outcome: { state: 'success' }, size: 12, crc32: 7, tailAt: 5, tail })
    await clock.advance(1_000)
    expect([traces.get(1), ends.length, await jobs.load()]).toEqual(['hello, world', 1, []])
  })

  test('tells a job as failed whose process is gone, without a word about its log', async () => {
    const { outbox, jobs } = await start()
    await jobs.took({ payload: jobOf(1), acquisitionKey: 'k', takenAt: 1 })
    answer = () => 0
    outbox.lose(jobOf(1), 'the runner ended')
    await clock.advance(3_600_000)
    answer = () => undefined
    await clock.advance(60_000)
    expect(ends).toEqual([[1, { state: 'failed', failureReason: 'runner_system_failure' }]])
    expect(await jobs.load()).toEqual([])
  })

  test('takes a refusal for a word that the end is not wanted', async () => {
    const { outbox, jobs } = await start()
    answer = () => 403
    const { give } = await endJob(outbox, 1, 'hello', { jobs })
    await give()
    await clock.advance(1_000)
    expect([outbox.count, await jobs.load()]).toEqual([0, []])
  })

  test('waits as long as the server asks for', async () => {
    const { outbox } = await start()
    answer = () => 503
    retryAfterMs = 300_000
    const { give } = await endJob(outbox, 1, 'hello')
    await give()
    await clock.advance(3_600_000)
    expect(requests).toBeLessThan(15)
  })

  test('loses no log to a server that comes back with a stumble, and tells the end to one that never takes the log', async () => {
    const { outbox } = await start()
    answer = () => 0
    const { give } = await endJob(outbox, 1, long)
    await give()
    await clock.advance(3_600_000)
    let stumbles = 3
    answer = (request) => (request === 'trace' && stumbles-- > 0 ? 502 : undefined)
    await until(() => outbox.count === 0)
    expect([traces.get(1) === long, ends.length]).toEqual([true, 1])
    answer = (request) => (request === 'trace' ? 502 : undefined)
    const second = await endJob(outbox, 2, 'hello')
    await second.give()
    await until(() => outbox.count === 0)
    expect([traces.get(2), ends.length]).toEqual(['', 2])
  })

  test('is not held up by an end that is refused in no definite way', async () => {
    const { outbox } = await start()
    const stuck = [1, 2, 3, 4, 5, 6]
    const { updateJob } = client
    client.updateJob = async (job, update) => (stuck.includes(job.id) ? reply('running', 401) : updateJob(job, update))
    for (const id of [...stuck, 7]) await (await endJob(outbox, id, 'hello')).give()
    await clock.advance(60_000)
    client.updateJob = updateJob
    expect([outbox.count, ends.map(([id]) => id)]).toEqual([6, [7]])
  })

  test('tries once more when the runner stops, as long as it may, and leaves the rest to the next process', async () => {
    const { outbox, jobs } = await start()
    answer = () => 0
    await (await endJob(outbox, 1, 'hello', { jobs })).give()
    await clock.advance(3_600_000)
    const patience = new AbortController()
    const stopped = outbox.stop(patience.signal)
    await clock.advance(10_000)
    patience.abort(new Error('out of patience'))
    await clock.advance(0)
    await stopped
    expect([outbox.untold, (await jobs.load()).length]).toEqual([1, 1])

    const other = await start()
    for (const { payload, end } of await other.jobs.load()) other.outbox.restore(payload, end as unknown as KeptEnd)
    await clock.advance(100)
    answer = () => undefined
    const told = other.outbox.stop(new AbortController().signal)
    await clock.advance(2_000)
    await told
    expect(other.outbox.untold).toBe(0)
  })

  test('without state, goes on in memory, within bounds', async () => {
    const outbox = withoutState()
    answer = () => 0
    for (let id = 1; id <= 1_010; id++) await (await endJob(outbox, id, 'hello')).give()
    expect([outbox.count, outbox.untold]).toEqual([1_000, 1_010])
    const large = 'x'.repeat(30 * 1024 * 1024)
    for (const id of [2_001, 2_002, 2_003]) await (await endJob(outbox, id, large)).give()
    answer = () => undefined
    await until(() => outbox.count === 0)
    expect(outbox.count).toBe(0)
    // The oldest lost its log, and is told all the same.
    expect([2_001, 2_002, 2_003].map((id) => traces.get(id)!.length)).toEqual([0, large.length, large.length])
    expect(
      ends
        .map(([id]) => id)
        .toSorted((a, b) => a - b)
        .slice(-3),
    ).toEqual([2_001, 2_002, 2_003])
  })

  test('keeps as much on the disk as it may: the oldest log is given up, its end is told', async () => {
    const { outbox, jobs } = await start({ limitBytes: 3_000_000 })
    answer = () => 0
    for (const id of [1, 2, 3]) await (await endJob(outbox, id, long, { jobs })).give()
    expect(
      readdirSync(join(directory, 'ends'))
        .map((name) => Number(name.split('-')[0]))
        .toSorted((a, b) => a - b),
    ).toEqual([2, 3])
    answer = () => undefined
    await until(() => outbox.count === 0)
    expect([1, 2, 3].map((id) => traces.get(id)!.length)).toEqual([0, long.length, long.length])
    expect(ends.map(([id]) => id).toSorted((a, b) => a - b)).toEqual([1, 2, 3])
  })
})
