import { randomBytes } from 'node:crypto'
import { silentLogger } from '@runner-core/fleeting'
import { type FleetLease, Journal, MemoryStateStore, type StateChange } from '@runner-core/fleeting/state'
import { ManualClock } from '@runner-core/fleeting/testing'
import type { JobPayload } from '@runner-core/job'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { JobJournal } from './job-journal.ts'
import { keptFleetKey } from './kept-fleet-key.ts'
import { Seal } from './seal.ts'

const over = (lease: FleetLease): Journal => Journal.over({ lease, clock: new ManualClock(), logger: silentLogger })
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
  return new JobJournal({ journal: over(lease), seal: new Seal(key), runner })
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
    before.note(12, 'checkpoint', { sent: 10 })
    before.note(12, 'checkpoint', { sent: 20 })
    before.note(1, 'checkpoint', 'h')
    before.note(3, 'acquisitionKey', '1-moved')
    before.ended(1)
    const after = await open()
    expect(await after.load()).toEqual([
      { payload: payload(12), acquisitionKey: '1-b', takenAt: 6, checkpoint: { sent: 20 } },
      { payload: payload(3), acquisitionKey: '1-moved', takenAt: 7 },
    ])
    after.ended(12)
    after.ended(3)
    expect(await lease.load(['job'])).toEqual([])
  })

  test('writes through to the disk what a script must not start without', async () => {
    const written: StateChange[] = []
    const store = await open()
    vi.spyOn(lease, 'write').mockImplementation(async (changes) => void written.push(...changes))
    await store.took({ payload: payload(1), acquisitionKey: '1-a', takenAt: 5 })
    await store.keep(1, 'checkpoint', () => 'the script starts')
    store.note(1, 'checkpoint', 'a piece of its log was sent')
    await store.settled()
    expect(written.map(({ key, survives }) => `${key} ${survives ?? ''}`)).toEqual([
      'a/1 ',
      'a/1/checkpoint power',
      'a/1/checkpoint ',
    ])
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
    journal.note(1, 'checkpoint', { pending: 'hunter' })
    await keptFleetKey(lease, new Seal(key))
    const all = JSON.stringify(await lease.load())
    const decoded = [...all.matchAll(/"([A-Za-z0-9+/=]{40,})"/g)]
      .map(([, text]) => Buffer.from(text!, 'base64').toString('latin1'))
      .join()
    for (const secret of ['hunter', 'glcbt', 'PRIVATE KEY']) expect(all + decoded).not.toContain(secret)
  })

  test('opens nothing under another key', async () => {
    await (await open()).took({ payload: payload(1), acquisitionKey: 'k', takenAt: 1 })
    const other = new JobJournal({ journal: over(lease), seal: new Seal(randomBytes(32)), runner: 'a' })
    await expect(other.load()).rejects.toMatchObject({ code: 'wrong_key' })
  })
})

describe('the mark of a job', () => {
  /** A process with the state that dies: what it has not written by then is not written. */
  const dies = async (during: (journal: JobJournal) => Promise<unknown>): Promise<void> => {
    const journal = await open()
    await journal.load()
    await during(journal)
    lease.freeze()
  }
  const isPoison = async (): Promise<readonly (boolean | undefined)[]> =>
    (await (await open()).load()).map((job) => job.isPoison)

  beforeEach(async () => {
    const journal = await open()
    await journal.took({ payload: payload(1), acquisitionKey: 'k', takenAt: 1 })
    await journal.took({ payload: payload(2), acquisitionKey: 'l', takenAt: 1 })
    await journal.keep(1, 'checkpoint', () => 'read by nobody once it is poison')
  })

  test('makes a job poison under which two managers in a row died, and no other', async () => {
    await dies((journal) => journal.mark(1))
    await dies((journal) => journal.mark(1))
    const left = await (await open()).load()
    expect(left).toEqual([
      { payload: payload(1), acquisitionKey: 'k', takenAt: 1, isPoison: true },
      { payload: payload(2), acquisitionKey: 'l', takenAt: 1 },
    ])
  })

  test('is on a job while it is read', async () => {
    const record = 'a/1/checkpoint'
    /** Dies of one record. */
    class DeadlySeal extends Seal {
      override open(text: string, what: string): string {
        if (what.endsWith(record)) lease.freeze()
        if (what.endsWith(record)) throw new Error('died')
        return super.open(text, what)
      }
    }
    for (let starts = 0; starts < 2; starts++) {
      lease = await store.lease('fleet', { takeover: true })
      const journal = new JobJournal({ journal: over(lease), seal: new DeadlySeal(key), runner: 'a' })
      await expect(journal.load()).rejects.toThrow('died')
    }
    lease = await store.lease('fleet', { takeover: true })
    const journal = new JobJournal({ journal: over(lease), seal: new DeadlySeal(key), runner: 'a' })
    expect((await journal.load()).map((job) => job.isPoison)).toEqual([true, undefined])
  })

  test('counts no manager that died without it, however many did', async () => {
    for (let kills = 0; kills < 50; kills++)
      await dies(async (journal) => {
        const unmark = await journal.mark(1)
        unmark()
        await journal.settled()
      })
    expect(await isPoison()).toEqual([undefined, undefined])
  })

  test('counts deaths in a row only', async () => {
    await dies((journal) => journal.mark(1))
    await dies(async (journal) => {
      const unmark = await journal.mark(1)
      unmark()
      await journal.settled()
    })
    await dies((journal) => journal.mark(1))
    expect(await isPoison()).toEqual([undefined, undefined])
  })

  test('is on one job at a time', async () => {
    const journal = await open()
    const unmark = await journal.mark(1)
    let isNext = false
    const next = journal.mark(2).then(() => (isNext = true))
    await new Promise(setImmediate)
    expect(isNext).toBe(false)
    unmark()
    await next
  })

  test('goes with the job', async () => {
    const journal = await open()
    await journal.mark(1)
    journal.ended(1)
    journal.ended(2)
    await journal.settled()
    expect(await lease.load(['job'])).toEqual([])
  })
})

test('the key of a fleet stays the same over processes', async () => {
  await open()
  const pair = await keptFleetKey(lease, new Seal(key))
  await open()
  expect(await keptFleetKey(lease, new Seal(key))).toEqual(pair)
  await expect(keptFleetKey(lease, new Seal(randomBytes(32)))).rejects.toMatchObject({ code: 'wrong_key' })
})
