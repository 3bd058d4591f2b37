import { ManualClock } from '@runner-core/fleeting/testing'
import { payload, runner, variable } from '@runner-core/testkit/jobs/job-fixture'
import { beforeEach, expect, test } from 'vitest'
import type { JobEnvironment, ScriptRun } from '../job-environment.ts'
import type { JobOutcome } from '../job-outcome.ts'
import type { JobCheckpoint } from './job-checkpoint.ts'
import { runJob } from './run-job.ts'

const second = 1000
const hour = 3600 * second
let clock: ManualClock
let outcome: JobOutcome | undefined
beforeEach(() => {
  clock = new ManualClock()
  outcome = undefined
})

/** A machine on which a script runs for ever. */
class Machine implements JobEnvironment {
  readonly shell = 'bash'
  readonly description = 'a machine'
  readonly jobMarker = { name: 'JOB', value: 'abc' }
  readonly buildsDir = 'builds'
  readonly concurrentId = 0
  readonly handle = {}
  /** Seconds that it has been up. */
  readonly uptime: number
  #startedAtUptime: number | undefined

  /** `startedAtUptime`: what an earlier manager started there. */
  constructor(uptime: number, startedAtUptime?: number) {
    this.uptime = uptime
    this.#startedAtUptime = startedAtUptime
  }

  async run({ nonce, resumed, stdout, signal }: ScriptRun): Promise<never> {
    if (resumed !== undefined) resumed.onFound?.(String(this.uptime))
    this.#startedAtUptime ??= this.uptime
    await stdout(
      Buffer.from(`\x1e${nonce} host h /home\x1e\x1e${nonce} begin step_script ${this.#startedAtUptime}\x1e`),
    )
    return await new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
    )
  }

  transfer(): Promise<never> {
    return Promise.reject(new Error('no transfers'))
  }

  async killAll(): Promise<void> {}
}

/** Runs a job of one hour. Resolves with what an earlier manager would have kept when it began. */
async function run(
  machine: Machine,
  { resume, limit }: { resume?: JobCheckpoint; limit?: string } = {},
): Promise<JobCheckpoint> {
  let take: (() => JobCheckpoint) | undefined
  const variables = limit === undefined ? [] : [variable('RUNNER_SCRIPT_TIMEOUT', limit)]
  void runJob({
    payload: payload({ variables }),
    prepare: async () => machine,
    trace: { write: () => {} },
    clock,
    canceling: new AbortController().signal,
    abort: new AbortController().signal,
    runner,
    onCheckpoint: (given) => {
      take = given
    },
    ...(resume !== undefined && { resume }),
  }).then((result) => (outcome = result))
  await clock.advance(0)
  return JSON.parse(JSON.stringify(take?.() ?? null)) as JobCheckpoint
}

/**
 * A manager begins a job, is killed ten minutes later, and another one goes on after twenty more. Its clock was set by
 * `setMs` meanwhile.
 */
async function resumeAfter(setMs: number, options: { limit?: string; isOld?: boolean } = {}): Promise<void> {
  const kept = await run(new Machine(5000), options)
  const other = new ManualClock()
  other.jumpWallTime(clock.wallTime() - other.wallTime() + 1800 * second + setMs)
  clock = other
  outcome = undefined
  const { elapsedMs: _, ...rest } = kept
  const scripts = kept.scripts.map(({ elapsedMs: __, ...script }) => script)
  await run(new Machine(5000 + 1800, 5000), {
    ...options,
    resume: options.isOld === true ? { ...rest, scripts } : kept,
  })
}

test.each([0, 10 * hour, -10 * hour])(
  'the limit of a resumed job counts from its begin, though the clock was set by %i ms',
  async (setMs) => {
    await resumeAfter(setMs)
    await clock.advance(1799 * second)
    expect(outcome).toBeUndefined()
    await clock.advance(1 * second)
    expect(outcome).toMatchObject({ state: 'failed', code: 'timeout' })
  },
)

test.each([0, 10 * hour, -10 * hour])(
  'and so does the limit of its script, though the clock was set by %i ms',
  async (setMs) => {
    await resumeAfter(setMs, { limit: '40m' })
    await clock.advance(599 * second)
    expect(outcome).toBeUndefined()
    await clock.advance(1 * second)
    expect(outcome).toMatchObject({ state: 'failed', code: 'script_timeout' })
  },
)

test('what an earlier version kept counts too', async () => {
  await resumeAfter(10 * hour, { isOld: true })
  await clock.advance(1799 * second)
  expect(outcome).toBeUndefined()
  await clock.advance(1 * second)
  expect(outcome).toMatchObject({ state: 'failed', code: 'timeout' })
})

test('a clock that is set under a job changes nothing', async () => {
  await run(new Machine(5000), { limit: '40m' })
  clock.jumpWallTime(10 * hour)
  await clock.advance(2399 * second)
  expect(outcome).toBeUndefined()
  await clock.advance(1 * second)
  expect(outcome).toMatchObject({ state: 'failed', code: 'script_timeout' })
})
