import { ManualClock } from '@runner-core/fleeting/testing'
import { payload, runner } from '@runner-core/testkit/jobs/job-fixture'
import { beforeEach, expect, test } from 'vitest'
import type { JobEnvironment, ScriptRun } from '../job-environment.ts'
import type { JobOutcome } from '../job-outcome.ts'
import { type RunJobOptions, runJob } from './run-job.ts'

const second = 1000
let clock: ManualClock
let outcome: JobOutcome | undefined
beforeEach(() => {
  clock = new ManualClock()
  outcome = undefined
})

/** A machine whose script begins its stages when the test says so, and runs for ever. */
class Machine implements JobEnvironment {
  readonly shell = 'bash'
  readonly description = 'a machine'
  readonly jobMarker = { name: 'JOB', value: 'abc' }
  readonly buildsDir = 'builds'
  readonly concurrentId = 0
  readonly handle = {}
  begin!: (stage: string) => void | Promise<void>

  run({ nonce, stdout, signal }: ScriptRun): Promise<never> {
    this.begin = (stage) => stdout(Buffer.from(`\x1e${nonce} begin ${stage} ${clock.now() / second}\x1e`))
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }

  transfer(): Promise<never> {
    return Promise.reject(new Error('no transfers'))
  }

  async killAll(): Promise<void> {}
}

async function start(prepare: RunJobOptions['prepare'], limits: Partial<RunJobOptions>): Promise<void> {
  void runJob({
    payload: payload(),
    prepare,
    trace: { write: () => {} },
    clock,
    canceling: new AbortController().signal,
    abort: new AbortController().signal,
    runner,
    ...limits,
  }).then((result) => (outcome = result))
  await clock.advance(0)
}

const waiting: RunJobOptions['prepare'] = (_, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
/** The place comes after some time. */
const later =
  (machine: Machine, delayMs: number): RunJobOptions['prepare'] =>
  () =>
    new Promise((resolve) => clock.after(delayMs, () => resolve(machine)))
const tookTooLong = (limit: string): object => ({
  state: 'failed',
  reason: 'job_execution_timeout',
  code: 'timeout',
  message: `execution took longer than ${limit}`,
})

test('the limit of the preparation ends a job that waits for its place', async () => {
  await start(waiting, { prepareTimeoutMs: 60 * second })
  await clock.advance(59 * second)
  expect(outcome).toBeUndefined()
  await clock.advance(1 * second)
  expect(outcome).toMatchObject(tookTooLong('1m0s (prepare_timeout)'))
})

test('the limit of the preparation holds until the sources are got, and no longer', async () => {
  const machine = new Machine()
  await start(async () => machine, { prepareTimeoutMs: 60 * second })
  await clock.advance(59 * second)
  await machine.begin('get_sources')
  await clock.advance(600 * second)
  expect(outcome).toBeUndefined()
})

test('the limit of the preparation ends a job whose machine prepares for ever', async () => {
  await start(async () => new Machine(), { prepareTimeoutMs: 60 * second })
  await clock.advance(60 * second)
  expect(outcome).toMatchObject(tookTooLong('1m0s (prepare_timeout)'))
})

test('the limit of the sources counts from their begin to the step, and no longer', async () => {
  const machine = new Machine()
  await start(later(machine, 600 * second), { getSourcesTimeoutMs: 60 * second })
  await clock.advance(600 * second)
  await machine.begin('get_sources')
  await clock.advance(59 * second)
  await machine.begin('step_script')
  await clock.advance(600 * second)
  expect(outcome).toBeUndefined()
})

test('the limit of the sources ends a job whose sources do not come', async () => {
  const machine = new Machine()
  await start(later(machine, 9 * second), { getSourcesTimeoutMs: 60 * second, prepareTimeoutMs: 10 * second })
  await clock.advance(9 * second)
  await machine.begin('get_sources')
  await clock.advance(59 * second)
  expect(outcome).toBeUndefined()
  await clock.advance(1 * second)
  expect(outcome).toMatchObject(tookTooLong('1m0s (get_sources_timeout)'))
})
