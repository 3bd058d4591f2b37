import { ManualClock, seededRandom } from '@runner-core/fleeting/testing'
import { Trace } from '@runner-core/job'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Coordinator } from '../testing/coordinator.ts'
import type { Fault } from '../testing/fault.ts'
import { JobApiClient } from './job-api-client.ts'
import { JobReporter } from './report/job-reporter.ts'
import { describeRunner } from './runner-info.ts'

// Three faults of two times each are fewer than the failures in a row after which the reporter gives up.

/**
 * What may go wrong with any request: the connection ends before it took effect or after, the server fails, says
 * "later", or is out of step.
 */
const anyReply = fc.constantFrom<Pick<Fault, 'reply' | 'effective'>>(
  { reply: 'drop', effective: false },
  { reply: 'drop', effective: true },
  { reply: { status: 500 } },
  { reply: { status: 429, headers: { 'Retry-After': '7' } } },
  { reply: { status: 418 } },
)
const anyFault: fc.Arbitrary<Fault> = fc.oneof(
  fc
    .record({
      on: fc.constantFrom('accept' as const, 'trace' as const, 'keep_alive' as const),
      skip: fc.nat(3),
      times: fc.integer({ min: 1, max: 2 }),
    })
    .chain((fault) => anyReply.map((reply) => ({ ...fault, ...reply }))),
  // Not lost after it took effect: no server finds fault with the trace of a job that has ended.
  fc
    .record({ on: fc.constant('finish' as const), times: fc.integer({ min: 1, max: 2 }) })
    .chain((fault) => anyReply.filter(({ effective }) => !effective).map((reply) => ({ ...fault, ...reply }))),
  fc.record({
    on: fc.constant('trace' as const),
    skip: fc.nat(3),
    reply: fc.constantFrom(
      { status: 416, headers: { Range: '0-0' } },
      { status: 416, headers: { Range: '0-9999999' } },
    ),
  }),
  fc.record({
    on: fc.constant('finish' as const),
    // Three such faults together are not more than what the reporter puts up with.
    times: fc.constant(1),
    reply: fc.constantFrom({ status: 412 }, { status: 202, headers: { 'X-GitLab-Trace-Update-Interval': '1' } }),
  }),
)
const anyOutput = fc.array(
  fc.record({ bytes: fc.integer({ min: 1, max: 600_000 }), thenMs: fc.constantFrom(0, 5, 3000, 31_000) }),
  {
    maxLength: 5,
  },
)

it('whatever goes wrong for a while, the coordinator gets the whole trace and the end of the job, and nothing that it does not allow', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyFault, { maxLength: 3 }), anyOutput, async (faults, output) => {
      const clock = new ManualClock()
      await using coordinator = await Coordinator.start({ clock })
      const info = describeRunner({ version: '1.2.3', executor: 'instance', shell: 'bash', features: [] })
      const client = new JobApiClient({
        url: coordinator.url,
        token: Coordinator.token,
        systemId: 's_0123456789ab',
        info,
        environment: {},
        clock,
        random: seededRandom(1),
      })
      const runOut = async <T>(promise: Promise<T>): Promise<T> => {
        let settled = false
        promise.then(
          () => (settled = true),
          () => (settled = true),
        )
        while (!settled) {
          await new Promise(setImmediate)
          if (!settled) await clock.advance(500)
        }
        return await promise
      }

      const job = coordinator.enqueue({ script: ['true'] })
      const answer = await client.requestJob()
      if (answer.result !== 'job') throw new Error(answer.result)
      for (const fault of faults) coordinator.inject(fault)
      const trace = new Trace({ secrets: [], limitBytes: 100_000_000 })
      const reporter = new JobReporter({ client, job: answer.job, trace, clock, random: seededRandom(1) })
      expect(await runOut(reporter.accept())).toBe('accepted')
      let size = 0
      for (const { bytes, thenMs } of output) {
        size += bytes
        await trace.write(Buffer.alloc(bytes, 'abcdefghij'[size % 10]))
        for (let passed = 0; passed < thenMs; passed += 1000) {
          await clock.advance(Math.min(1000, thenMs))
          await new Promise(setImmediate)
        }
      }
      expect(await runOut(reporter.finish({ state: 'success' }))).toEqual({ delivered: true })
      expect(job.state).toBe('success')
      expect(job.trace.size).toBe(size)
      expect(job.trace.checksum).toBe(`crc32:${trace.crc32.toString(16).padStart(8, '0')}`)
      expect(coordinator.violations).toEqual([])
      expect(reporter.aborted.aborted).toBe(false)
      await client.close()
      await trace.close()
    }),
    { numRuns: 25 },
  )
})
