// Acceptance: a job that waited is told why, whatever it was. The fleet, the scaler and the executor are the real ones;
// the cloud and the clock are not.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GroupError, silentLogger } from '@runner-core/fleeting'
import { ManualClock, MemoryGroup, seededRandom, simpleShell } from '@runner-core/fleeting/testing'
import { ConcurrentIds } from '@runner-core/runner-executor'
import { InstanceExecutor } from '@runner-core/runner-instance-executor'
import { NoCapacityError, type Reservation } from '@runner-core/taskscaler'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '../config/parse-config.ts'
import { type Fleet, startFleet } from '../fleet/fleet.ts'
import { explainInstance, instanceLines } from './explain-instance.ts'
import { explainJob, type JobExplanation, jobLines } from './explain-job.ts'
import { FleetRecord } from './fleet-record.ts'
import { RecordFile, readRecord } from './record-file.ts'

const secret = 'glrt-a-token-that-is-secret'
let clock: ManualClock
let group: MemoryGroup
let record: FleetRecord
let fleet: Fleet
let executor: InstanceExecutor
let folder: string
let file: RecordFile

beforeEach(() => {
  queue.length = 0
  clock = new ManualClock()
  folder = mkdtempSync(join(tmpdir(), 'explain-'))
  file = new RecordFile({ directory: join(folder, 'fleet'), clock, logger: silentLogger })
  record = new FleetRecord({ clock, redact: (text) => text.replaceAll(secret, '[hidden]'), sink: file })
})
afterEach(async () => {
  await fleet.scaler.shutdown({ removeInstances: false })
  await file.flush()
  rmSync(folder, { recursive: true })
})

async function start(autoscaler: string): Promise<void> {
  group = new MemoryGroup({ clock, maxSize: 10, shell: simpleShell, bootDelayMs: 20_000 })
  const [runner] = parseConfig(`[[runners]]
name = "a"
url = "http://gitlab.example.com"
token = "glrt-token"
executor = "instance"
[runners.autoscaler]
plugin = "memory"
${autoscaler}`).settings.runners
  const findPlugin = async (): Promise<{ createInstanceGroup: () => MemoryGroup }> => ({
    createInstanceGroup: () => group,
  })
  const observers = { provisioner: {}, taskscaler: { decided: record.decided } }
  fleet = await startFleet(
    {
      runner: runner!,
      findPlugin,
      observers,
      freePlaces: () => 100,
      claimGroup: () => {},
      clock,
      random: seededRandom(1),
      logger: silentLogger,
    },
    new AbortController().signal,
  )
  record.watch(fleet.provisioner)
  executor = new InstanceExecutor({
    scaler: fleet.scaler,
    shell: 'sh',
    buildsDir: 'builds',
    concurrentIds: new ConcurrentIds(),
    clock,
  })
  await clock.advance(1_000)
}

interface QueuedJob {
  readonly job: string
  readonly queuedAt: number
  place?: { release(): Promise<void> }
  hasCome: boolean
}
const queue: QueuedJob[] = []

/** A job in GitLab's queue: the runner asks for it once it may, and prepares its place. */
function begin(job: string): QueuedJob {
  const queued: QueuedJob = { job, queuedAt: clock.wallTime(), hasCome: false }
  queue.push(queued)
  take(queued)
  return queued
}

function take(queued: QueuedJob): void {
  const { job, queuedAt } = queued
  let reservation: Reservation
  try {
    reservation = fleet.scaler.reserve({ speculative: true })
  } catch (error) {
    if (error instanceof NoCapacityError) return
    throw error
  }
  queued.hasCome = true
  record.jobCame(job, clock.wallTime() - queuedAt)
  const report = (line: string): void => record.jobWaits(job, line)
  executor.prepare(reservation, { report, signal: new AbortController().signal }).then(
    (prepared) => {
      record.jobPlaced(job, prepared.instanceId, prepared.environment.description)
      queued.place = prepared
    },
    (error: Error) => record.jobEnded(job, error.message),
  )
}

async function advance(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    await clock.advance(1_000)
    for (const queued of queue) if (!queued.hasCome) take(queued)
  }
}

/** Lets time pass until the job has its place, 600 s at most. */
async function run(queued: QueuedJob): Promise<QueuedJob> {
  await clock.advance(0)
  for (let waited = 0; queued.place === undefined && waited < 600; waited++) await advance(1_000)
  return queued
}

/** As somebody reads it who has only the file: a manager that has stopped. */
async function explained(job: string): Promise<JobExplanation> {
  await file.flush()
  const kept = await readRecord(join(folder, 'fleet'))
  expect(explainJob(job, kept, clock.wallTime())).toEqual(
    explainJob(job, { decisions: [...record.decisions], jobs: [...record.jobs()] }, clock.wallTime()),
  )
  return explainJob(job, kept, clock.wallTime())!
}

describe('why a job waited', () => {
  test('not at all', async () => {
    await start('[[runners.autoscaler.policy]]\nidle_count = 1\n')
    await clock.advance(60_000)
    await run(begin('1'))
    const explanation = await explained('1')
    expect(explanation).toMatchObject({ because: [], fate: 'running', meanwhile: [] })
    expect(jobLines(explanation)[0]).toMatch(/^job 1 did not wait/)
  })

  test('for an instance that had to be made', async () => {
    await start('')
    await run(begin('1'))
    const explanation = await explained('1')
    expect(explanation).toMatchObject({ because: ['launch'], fate: 'running', queuedMs: 0 })
    expect(explanation.waitedMs).toBeGreaterThan(20_000)
    const text = jobLines(explanation).join('\n')
    expect(text).toMatch(/increase by 1: .*1 for waiting jobs/)
    expect(text).toMatch(/job got its slot: instance m-1, slot 0/)
  })

  test('since the maximum was reached', async () => {
    await start('max_instances = 1\n')
    const first = await run(begin('1'))
    const waiting = begin('2')
    await advance(30_000)
    await first.place!.release()
    await run(waiting)
    const explanation = await explained('2')
    expect(explanation.because).toEqual(['max_instances'])
    expect(explanation.queuedMs).toBeGreaterThanOrEqual(25_000)
    expect(jobLines(explanation).join('\n')).toMatch(
      /because of: max_instances\n[\s\S]*refuse max_instances: max_instances 1 leaves no room/,
    )
  })

  test('since launches failed', async () => {
    await start('')
    group.fail('increase', new GroupError('capacity', `no machines of this kind in zone a, said ${secret}`), 2)
    await run(begin('1'))
    const explanation = await explained('1')
    expect(explanation.because).toEqual(['launch', 'backoff'])
    expect(
      explanation.meanwhile.filter(({ kind, code }) => kind === 'launch_failed' && code === 'capacity').length,
    ).toBeGreaterThan(0)
    const text = jobLines(explanation).join('\n')
    expect(text).toContain('no machines of this kind in zone a')
    expect(text).not.toContain(secret)
  })

  test('since launches were throttled', async () => {
    await start('capacity_per_instance = 1\nscale_throttle = { limit = 0.02, burst = 1 }\n')
    begin('1')
    await run(begin('2'))
    const explanation = await explained('2')
    expect(explanation.because).toContain('throttle')
    expect(jobLines(explanation).join('\n')).toMatch(/hold \(1\) throttle: launches are throttled to 0\.02 per second/)
  })

  test('since the breaker was open', async () => {
    await start('')
    group.fail('increase', new GroupError('auth', 'the credentials have expired'), 1)
    begin('1')
    await advance(5_000)
    await run(begin('2'))
    for (const job of ['1', '2']) {
      const explanation = await explained(job)
      expect(explanation.because).toContain('breaker')
      expect(jobLines(explanation).join('\n')).toMatch(/the credentials have expired.*check that the credentials/)
    }
  })

  test('since the schedule keeps nothing at that hour', async () => {
    const minute = new Date(clock.wallTime()).getUTCMinutes()
    const later = (minute + 20) % 60
    await start(
      `[[runners.autoscaler.policy]]\nidle_count = 0\n[[runners.autoscaler.policy]]\nperiods = ["${later} * * * *"]\ntimezone = "UTC"\nidle_count = 2\n`,
    )
    await run(begin('1'))
    const explanation = await explained('1')
    expect(explanation.because).toContain('schedule')
    expect(jobLines(explanation).join('\n')).toMatch(
      /policy: the policy for \* \* \* \* \* is in force: idle_count 0.*at other times the schedule keeps 2 idle/,
    )
  })

  test('and still waits: for how long already', async () => {
    await start('')
    group.fail(
      'increase',
      { kind: 'error', error: new GroupError('quota', 'the account may have no more') },
      Number.POSITIVE_INFINITY,
    )
    begin('1')
    await advance(120_000)
    const explanation = await explained('1')
    expect(explanation).toMatchObject({ fate: 'waiting', because: ['launch', 'backoff'] })
    expect(explanation.waitedMs).toBeGreaterThan(115_000)
    expect(explanation.history.waits.length).toBeGreaterThan(1)
  })
})

test('why an instance was made, what it did and why it went', async () => {
  await start('[[runners.autoscaler.policy]]\nidle_time = "1m"\n')
  const { place } = await run(begin('1'))
  await place!.release()
  record.jobEnded('1', 'success')
  await advance(120_000)
  const kept = { decisions: [...record.decisions], jobs: [...record.jobs()] }
  const explanation = explainInstance('m-1', kept)!
  expect(explanation.decisions.map(({ kind }) => kind)).toEqual(['increase', 'seen', 'ready', 'remove', 'gone'])
  expect(explanation.jobs.map(({ job }) => job)).toEqual(['1'])
  const text = instanceLines(explanation).join('\n')
  expect(text).toMatch(
    /increase by 1: [\s\S]*it was requested[\s\S]*passed its readiness check[\s\S]*job 1 began[\s\S]*job 1 ended after .* success[\s\S]*remove m-1: idle for 1 min[\s\S]*gone after/,
  )
  expect(explainInstance('m-2', kept)).toBeUndefined()
})

test('what a killed manager has torn and what is no entry are left out; a second manager goes on in the same file', async () => {
  await start('')
  await run(begin('1'))
  await file.flush()
  const path = join(folder, 'fleet', 'decisions.jsonl')
  writeFileSync(path, 'null\n7\n{"decision":{"at"', { flag: 'a' })
  record.jobEnded('1', 'success')
  await file.flush()
  const kept = await readRecord(join(folder, 'fleet'))
  const next = new FleetRecord({ clock, redact: (text) => text })
  next.restore(kept)
  next.jobEnded('1', 'success, after a restart')
  expect([...next.decisions]).toEqual([...record.decisions])
  expect([...next.jobs()]).toMatchObject([
    { job: '1', placed: { instance: 'm-1' }, ended: { how: 'success, after a restart' } },
  ])
  const { jobs } = kept
  expect(jobs).toMatchObject([{ job: '1', ended: { how: 'success' } }])
})
