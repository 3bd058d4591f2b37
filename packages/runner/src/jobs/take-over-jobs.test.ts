import { silentLogger } from '@runner-core/fleeting'
import { type FleetLease, Journal, type JsonValue, MemoryStateStore } from '@runner-core/fleeting/state'
import { ManualClock } from '@runner-core/fleeting/testing'
import type { JobPayload } from '@runner-core/job'
import type { Acquisition, LentSlot } from '@runner-core/taskscaler'
import { describe, expect, test } from 'vitest'
import { JobJournal } from '../state/job-journal.ts'
import { Seal } from '../state/seal.ts'
import { takeOverJobs } from './take-over-jobs.ts'

const over = (lease: FleetLease): Journal => Journal.over({ lease, clock: new ManualClock(), logger: silentLogger })
const payload = (id: number): JobPayload =>
  ({ id, token: `token-${id}`, features: { failure_reasons: [] } }) as unknown as JobPayload
const sent = { bytes: 5, crc32: 1 }
const checkpoint = (scripts: number, environment: JsonValue): JsonValue => ({
  run: {
    scripts: Array.from({ length: scripts }, () => ({ nonce: 'n', startedAt: 1 })),
    environment,
    said: [],
    position: 0,
    startedAt: 1,
  },
  sent,
})

interface Left {
  readonly checkpoint?: JsonValue
  readonly end?: JsonValue
  /** Whether the slot that it had is still there. */
  readonly hasSlot?: boolean
  /** Two managers died under its mark. */
  readonly isPoison?: boolean
}

/** Jobs 1, 2, … of an earlier process, each on the slot `slot-ID`. */
const takeOver = async (left: readonly Left[]) => {
  const journal = async (): Promise<JobJournal> => {
    const lease = await store.lease('fleet', { takeover: true })
    return new JobJournal({ journal: over(lease), seal: new Seal(Buffer.alloc(32)), runner: 'a' })
  }
  const store = new MemoryStateStore()
  const before = await journal()
  for (const [index, { checkpoint, end }] of left.entries()) {
    await before.took({ payload: payload(index + 1), acquisitionKey: `slot-${index + 1}`, takenAt: 1 })
    if (checkpoint !== undefined) before.note(index + 1, 'checkpoint', checkpoint)
    if (end !== undefined) before.note(index + 1, 'end', end)
  }
  for (let managers = 0; managers < 2; managers++) {
    for (const [index, { isPoison }] of left.entries()) {
      if (isPoison !== true) continue
      const dying = await journal()
      await dying.load()
      await dying.mark(index + 1)
    }
  }
  const jobs = await journal()
  const slots = left.flatMap(({ hasSlot = true }, index) => (hasSlot ? [`slot-${index + 1}`] : []))
  const lent = new Map([...slots, 'orphan'].map((slot) => [slot, { key: slot } as LentSlot]))
  const log: string[] = []
  const ends = takeOverJobs({
    left: await jobs.load(),
    scaler: {
      restored: () => [...lent.values()],
      claimRestored: (slot) => {
        const acquisition = { key: slot, [Symbol.asyncDispose]: async () => void log.push(`give back ${slot}`) }
        return lent.delete(slot) ? (acquisition as unknown as Acquisition) : undefined
      },
      dropRestored: (slot) => void (lent.delete(slot) && log.push(`drop ${slot}`)),
    },
    supervisor: {
      resume: async ({ id }, { key }, { sent }) => void log.push(`resume ${id} on ${key} from byte ${sent.bytes}`),
      runAnew: async ({ id }, kept) => void log.push(`run ${id}${kept ? ` from byte ${kept.sent.bytes}` : ''}`),
    },
    ends: { lose: ({ id }, message) => void log.push(`lose ${id}: ${message}`) },
    logger: silentLogger,
  })
  return { log, ends }
}

describe('takeOverJobs', () => {
  test('lets a job go on that runs on its machine, on its own slot, where its trace stood', async () => {
    const { log, ends } = await takeOver([{ checkpoint: checkpoint(1, 'handle') }])
    await Promise.all(ends)
    expect(log).toEqual(['resume 1 on slot-1 from byte 5', 'drop orphan'])
  })

  test('reports a job as lost that two managers in a row died of, and gives its instance up; the one beside it goes on', async () => {
    const { log, ends } = await takeOver([
      { checkpoint: checkpoint(1, 'handle'), isPoison: true },
      { checkpoint: checkpoint(1, 'handle') },
    ])
    await Promise.all(ends)
    const why = 'two managers in a row died while they took this job up'
    expect(log).toEqual(['drop slot-1', `lose 1: ${why}`, 'resume 2 on slot-2 from byte 5', 'drop orphan'])
  })

  test('gives back the slot of a job that has ended, whose end is told by whoever has it', async () => {
    const ended = {
      checkpoint: checkpoint(1, 'handle'),
      end: { outcome: { state: 'success' }, size: 0, crc32: 0, tailAt: 0, tail: '' },
    }
    const { log, ends } = await takeOver([ended, { ...ended, hasSlot: false }])
    await Promise.all(ends)
    expect(log.toSorted()).toEqual(['drop orphan', 'give back slot-1'])
  })

  test('begins a job anew of which nothing had begun: its machine is as good as before, and its trace goes on', async () => {
    const { log, ends } = await takeOver([{}, { checkpoint: checkpoint(0, null), hasSlot: false }])
    await Promise.all(ends)
    expect(log.toSorted()).toEqual(['drop orphan', 'give back slot-1', 'run 1', 'run 2 from byte 5'])
  })

  test('loses a job that had begun and cannot go on, once, and gives its instance up', async () => {
    const begunElsewhere = { checkpoint: checkpoint(1, 'handle'), hasSlot: false }
    const { log, ends } = await takeOver([{ checkpoint: checkpoint(1, null) }, begunElsewhere])
    await Promise.all(ends)
    const why = 'the runner ended, and the job cannot go on'
    expect(log).toEqual(['drop slot-1', `lose 1: ${why}`, `lose 2: ${why}`, 'drop orphan'])
  })
})
