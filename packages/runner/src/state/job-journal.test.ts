import { randomBytes } from 'node:crypto'
import { type FleetLease, MemoryStateStore, silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import type { JobPayload } from '@runner-core/job'
import type { Acquisition, LentSlot } from '@runner-core/taskscaler'
import { beforeEach, describe, expect, test } from 'vitest'
import type { JobUpdate } from '../gitlab/job-api-client.ts'
import { JobJournal } from './job-journal.ts'
import { keptFleetKey } from './kept-fleet-key.ts'
import { Seal } from './seal.ts'
import { type ResumeJob, takeOverJobs } from './take-over-jobs.ts'

const key = randomBytes(32)
const payload = (id: number): JobPayload =>
  ({
    id,
    token: `glcbt-secret-${id}`,
    variables: [{ key: 'PASSWORD', value: 'hunter2' }],
    features: { failure_reasons: [] },
  }) as unknown as JobPayload

let store: MemoryStateStore
let lease: FleetLease
const open = async (runner = 'a'): Promise<JobJournal> => {
  lease = await store.lease('fleet', { takeover: true })
  return new JobJournal({ lease, seal: new Seal(key), runner })
}

beforeEach(() => {
  store = new MemoryStateStore()
})

describe('JobJournal', () => {
  test('gives the next process each job as it was last noted, until its end', async () => {
    const before = await open()
    await before.took({ payload: payload(1), acquisitionKey: '1-a', takenAt: 5 })
    await before.took({ payload: payload(12), acquisitionKey: '1-b', takenAt: 6 })
    await before.took({ payload: payload(3), acquisitionKey: '1-c', takenAt: 7 })
    void before.note(12, 'checkpoint', { sent: 10 })
    await before.note(12, 'checkpoint', { sent: 20 })
    await before.note(12, 'handle', { directory: '/tmp/x' })
    await before.note(1, 'handle', 'h')
    await before.note(3, 'acquisitionKey', '1-moved')
    await before.ended(1)
    const after = await open()
    expect(await after.load()).toEqual([
      { payload: payload(12), acquisitionKey: '1-b', takenAt: 6, handle: { directory: '/tmp/x' }, checkpoint: { sent: 20 } },
      { payload: payload(3), acquisitionKey: '1-moved', takenAt: 7 },
    ])
    await after.ended(12)
    await after.ended(3)
    expect(await lease.load(['job'])).toEqual([])
  })

  test('keeps the jobs of runners apart, whatever they are called', async () => {
    await (await open('a')).took({ payload: payload(1), acquisitionKey: 'k', takenAt: 1 })
    expect(await (await open('a/1')).load()).toEqual([])
    expect(await (await open('a%2F1')).load()).toEqual([])
    expect(await (await open('a')).load()).toHaveLength(1)
  })

  test('shows nobody a word of it', async () => {
    const journal = await open()
    await journal.took({ payload: payload(1), acquisitionKey: 'k', takenAt: 1 })
    await journal.note(1, 'checkpoint', { pending: 'hunter' })
    await keptFleetKey(lease, new Seal(key))
    const all = JSON.stringify(await lease.load())
    const decoded = [...all.matchAll(/"([A-Za-z0-9+/=]{40,})"/g)].map(([, text]) => Buffer.from(text!, 'base64').toString('latin1')).join()
    for (const secret of ['hunter', 'glcbt', 'PRIVATE KEY']) expect(all + decoded).not.toContain(secret)
  })

  test('opens nothing under another key', async () => {
    await (await open()).took({ payload: payload(1), acquisitionKey: 'k', takenAt: 1 })
    const other = new JobJournal({ lease, seal: new Seal(randomBytes(32)), runner: 'a' })
    await expect(other.load()).rejects.toMatchObject({ code: 'wrong_key' })
  })
})

test('the key of a fleet stays the same over processes', async () => {
  await open()
  const pair = await keptFleetKey(lease, new Seal(key))
  await open()
  expect(await keptFleetKey(lease, new Seal(key))).toEqual(pair)
  await expect(keptFleetKey(lease, new Seal(randomBytes(32)))).rejects.toMatchObject({ code: 'wrong_key' })
})

describe('takeOverJobs', () => {
  const start = async ({ resumeJob, statuses = [200] }: { resumeJob?: ResumeJob; statuses?: number[] } = {}) => {
    const before = await open()
    for (const id of [1, 2, 4]) await before.took({ payload: payload(id), acquisitionKey: `slot-${id}`, takenAt: 1 })
    for (const id of [1, 2]) await before.note(id, 'accepted', true)
    await before.note(2, 'handle', 'h')
    const jobs = await open()
    const lent = new Map(['slot-1', 'slot-2', 'slot-3'].map((slot) => [slot, { key: slot } as LentSlot]))
    const dropped: string[] = []
    const updates: [number, JobUpdate][] = []
    const clock = new ManualClock()
    const abort = new AbortController()
    const ends = takeOverJobs({
      left: await jobs.load(),
      jobs,
      scaler: {
        restored: () => [...lent.values()],
        claimRestored: (slot) => (lent.delete(slot) ? ({ key: slot } as Acquisition) : undefined),
        dropRestored: (slot) => void (lent.delete(slot) && dropped.push(slot)),
      },
      resumeJob,
      client: {
        updateJob: async ({ id }, update) => {
          updates.push([id, update])
          return { status: statuses.shift() ?? 200, message: '' } as never
        },
      },
      finalUpdateRetryLimit: 3,
      clock,
      random: () => 0,
      logger: silentLogger,
      signal: abort.signal,
    })
    return { jobs, dropped, updates, clock, abort, ends }
  }
  const failed = { state: 'failed', failureReason: 'runner_system_failure' }

  test('reports what cannot go on as a system failure, once, and gives its slots up; not what was never accepted', async () => {
    const { jobs, dropped, updates, ends } = await start()
    await Promise.all(ends)
    expect(updates).toEqual([
      [1, failed],
      [2, failed],
    ])
    expect(dropped).toEqual(['slot-1', 'slot-2', 'slot-3'])
    expect(await jobs.load()).toEqual([])
  })

  test('lets a job go on that has begun on its machine, on its own slot', async () => {
    const resumed: unknown[] = []
    const { jobs, dropped, updates, ends } = await start({
      resumeJob: async (job, acquisition) => void resumed.push(job.payload.id, job.handle, acquisition.key),
    })
    await Promise.all(ends)
    expect(resumed).toEqual([2, 'h', 'slot-2'])
    expect(updates).toEqual([[1, failed]])
    expect(dropped).toEqual(['slot-1', 'slot-3'])
    expect((await jobs.load()).map(({ payload: { id } }) => id)).toEqual([2])
  })

  test('takes a refusal for an end that is known, and keeps what could not be told for the next start', async () => {
    const { jobs, updates, clock, ends } = await start({ statuses: [403, 500, 500, 500] })
    await clock.advance(60_000)
    await Promise.all(ends)
    expect(updates.map(([id]) => id)).toEqual([1, 2, 2, 2])
    expect((await jobs.load()).map(({ payload: { id } }) => id)).toEqual([2])
  })

  test('stops when the runner stops', async () => {
    const { jobs, abort, ends } = await start({ statuses: [500, 500] })
    abort.abort(new Error('the runner stops'))
    await Promise.all(ends)
    expect(await jobs.load()).toHaveLength(2)
  })
})
