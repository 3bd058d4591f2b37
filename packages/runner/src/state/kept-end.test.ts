import { ManualClock } from '@runner-core/fleeting/testing'
import { type JobPayload, Trace } from '@runner-core/job'
import { expect, test } from 'vitest'
import type { JobReply } from '../gitlab/job-reply.ts'
import { JobReporter } from '../gitlab/job-reporter.ts'
import { KeptTrace, keptEnd } from './kept-end.ts'

const job = { id: 1, token: 't', features: { failure_reasons: [] } } as unknown as JobPayload

/** Delivers a kept end to a server that has so many bytes of the trace `hello, world`. */
async function deliver(known: number, { sent = 5 } = {}) {
  const trace = new Trace({ secrets: [] })
  await trace.write('hello, world')
  trace.end()
  const end = JSON.parse(JSON.stringify(await keptEnd({ state: 'success' }, trace, sent)))
  let stored = 'hello, world'.slice(0, known)
  const updates: unknown[] = []
  const reply = (status: number): JobReply => ({ status, traceSize: stored.length }) as JobReply
  const reporter = new JobReporter({
    client: {
      updateJob: async (_job, update) => {
        updates.push(update)
        return reply(200)
      },
      patchTrace: async (_job, { start, bytes }) => {
        if (start !== stored.length) return reply(416) as never
        stored += bytes.toString()
        return reply(202) as never
      },
    },
    job,
    trace: new KeptTrace(end),
    sent: { bytes: end.tailAt },
    clock: new ManualClock(),
  })
  const delivery = await reporter.finish(end.outcome)
  const checksum = { crc32: trace.crc32, bytes: trace.size }
  await trace.close()
  return { delivery, stored, updates, checksum }
}

test.each([
  ['where it was known to stand', 5],
  ['after a piece whose arrival nobody heard of', 9],
  ['where all of it has come', 12],
])('the end is told with the rest of the trace, %s', async (_name, known) => {
  const { delivery, stored, updates, checksum } = await deliver(known)
  expect(delivery).toEqual({ delivered: true })
  expect(stored).toBe('hello, world')
  expect(updates.at(-1)).toMatchObject({ state: 'success', output: checksum })
})

test('a server that lost what it had said to have still learns how the job ended', async () => {
  const { delivery, stored, updates } = await deliver(2)
  expect(delivery).toEqual({ delivered: true })
  expect(stored).toBe('he')
  expect(updates.at(-1)).toEqual({ state: 'success' })
})
