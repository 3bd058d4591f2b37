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

  test.each([['bytes 0-2'], ['0-2/3'], ['0-3'], ['0']])(
    'a Content-Range of %j for three bytes is noted',
    async (range) => {
      await start()
      coordinator.enqueue({ script: [] })
      await runner.patch(await runner.begin(), 0, 'abc', range)
      expect(rules()).toContain('content_range')
    },
  )

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
    expect(
      (await runner.put(job, { state: 'success', output: { checksum: handle.trace.checksum, bytesize: 4 } })).status,
    ).toBe(412)
    await runner.patch(job, 0, 'abd')
    expect((await runner.finish(job, 'abd')).status).toBe(200)
    expect(handle.trace.text()).toBe('abd')
  })

  test.each(['success', 'failed'])(
    'an end without a checksum (%s) is accepted, as GitLab does, and noted',
    async (state) => {
      await start()
      const handle = coordinator.enqueue({ script: [] })
      const job = await runner.begin()
      await runner.patch(job, 0, 'abc')
      expect(
        (await runner.put(job, { state, ...(state === 'failed' && { failure_reason: 'script_failure' }) })).status,
      ).toBe(200)
      expect(handle.state).toBe(state)
      expect(rules()).toEqual(['checksum_absent'])
    },
  )

  test("a runner's word that it lost the job needs no checksum", async () => {
    await start()
    const handle = coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    expect((await runner.put(job, { state: 'failed', failure_reason: 'runner_system_failure' })).status).toBe(200)
    expect([handle.state, handle.failureReason, rules()]).toEqual(['failed', 'runner_system_failure', []])
  })

  test("a checksum in GitLab's older place is compared, too", async () => {
    await start()
    const handle = coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    await runner.patch(job, 0, 'abc')
    expect((await runner.put(job, { state: 'success', checksum: 'crc32:00000000' })).status).toBe(412)
    await runner.patch(job, 0, 'abc')
    expect((await runner.put(job, { state: 'success', checksum: handle.trace.checksum })).status).toBe(200)
  })

  test('after the end everything is 403, and a runner that ended the job and goes on is noted', async () => {
    await start()
    coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    await runner.finish(job, '')
    for (const answer of [await runner.patch(job, 0, 'x'), await runner.finish(job, '')]) {
      expect([answer.status, answer.headers.get('job-status')]).toEqual([403, 'success'])
    }
    expect(rules()).toEqual(['request_after_end', 'request_after_end'])
  })

  test('a runner that is told that its job is over may have one last word', async () => {
    await start()
    const handle = coordinator.enqueue({ script: [] })
    const job = await runner.begin()
    handle.cancel('at once')
    for (const send of [
      () => runner.patch(job, 0, 'x'),
      () => runner.patch(job, 0, 'x'),
      () => runner.finish(job, 'x', { state: 'failed', failure_reason: 'unknown_failure' }),
    ]) {
      expect((await send()).status).toBe(403)
      expect(rules()).toEqual([])
    }
    for (const send of [
      () => runner.patch(job, 0, 'x'),
      () => runner.finish(job, ''),
      () => runner.put(job, { state: 'running' }),
    ])
      await send()
    expect(rules()).toEqual(['request_after_end', 'request_after_end', 'request_after_end'])
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
