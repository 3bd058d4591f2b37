import { readFileSync } from 'node:fs'
import { silentLogger } from '@runner-core/fleeting'
import { Journal, MemoryStateStore, StateError } from '@runner-core/fleeting/state'
import { ManualClock } from '@runner-core/fleeting/testing'
import { EnvironmentError, type JobEnvironment, type JobPayload, type JobStage } from '@runner-core/job'
import type { PrepareOptions } from '@runner-core/runner-executor'
import { tlsFile } from '@runner-core/testkit/http/https-front'
import { beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '../config/parse-config.ts'
import { EndOutbox } from '../ends/end-outbox.ts'
import type { JobUpdate } from '../gitlab/job-api-client.ts'
import type { JobReply } from '../gitlab/job-reply.ts'
import { JobJournal } from '../state/job-journal.ts'
import { Seal } from '../state/seal.ts'
import { ActiveJob, type ActiveJobOptions, type JobEnd } from './active-job.ts'
import type { ActiveJobCheckpoint } from './job-checkpoints.ts'
import type { JobPhase } from './job-progress.ts'

const { settings } = parseConfig(`[[runners]]
name = "a"
url = "http://gitlab.example.com"
token = "glrt-token"
executor = "instance"
[runners.autoscaler]
plugin = "local"
`)

const payload: JobPayload = {
  id: 7,
  token: 'job-token',
  allow_git_fetch: true,
  job_info: {
    name: 'job',
    stage: 'test',
    project_id: 1,
    project_name: 'p',
    project_full_path: 'g/p',
    time_in_queue_seconds: 0,
    project_jobs_running_on_instance_runners_count: '',
    queue_size: undefined,
    queue_depth: undefined,
  },
  git_info: {
    repo_url: '',
    repo_object_format: 'sha1',
    ref: 'main',
    sha: '0',
    before_sha: '0',
    ref_type: 'branch',
    refspecs: [],
    depth: 0,
  },
  timeout_seconds: 3_600,
  variables: [{ key: 'GIT_STRATEGY', value: 'none', public: true, file: false, masked: false, raw: false }],
  steps: [{ name: 'script', script: ['true'], timeout: 3_600, when: 'on_success', allow_failure: false }],
  hooks: [],
  cache: [],
  artifacts: [],
  dependencies: [],
  features: { trace_sections: false, token_mask_prefixes: [], failure_reasons: ['runner_interrupted'] },
  unsupported: [],
}

let clock: ManualClock
let updates: JobUpdate[]
let acceptStatus: number
let phases: JobPhase[]
let stages: (JobStage | undefined)[]
/** Of the trace, by what came in pieces. */
let sent: string
let events: string[]
let waits: string[]
let ending: AbortController
/** Whether each place was asked for with a reservation that had ended. */
let places: boolean[]
let prepare: (report: (line: string) => void) => Promise<JobEnvironment>
let jobStatus: string | undefined
let patchStatus: number
let endStatus: number
let tlsCaFile: string | undefined
let clientFiles: { readonly tlsCertFile?: string; readonly tlsKeyFile?: string }
let ends: ActiveJobOptions['ends']

const never = <T>(): Promise<T> => new Promise(() => {})
const reply = (status: number): JobReply =>
  ({ status, jobStatus, updateIntervalMs: undefined, traceSize: 0, message: '', retryAfterMs: undefined }) as JobReply
const environment = (run: JobEnvironment['run']): JobEnvironment => ({
  shell: 'sh',
  description: 'instance i-1, slot 0',
  jobMarker: { name: 'MARK', value: '1' },
  buildsDir: 'builds',
  concurrentId: 0,
  run,
  transfer: () => Promise.reject(new Error('no files')),
  killAll: async () => {},
})

beforeEach(() => {
  clock = new ManualClock()
  updates = []
  acceptStatus = 200
  phases = []
  stages = []
  sent = ''
  events = []
  waits = []
  ending = new AbortController()
  places = []
  jobStatus = undefined
  patchStatus = 202
  endStatus = 200
  tlsCaFile = undefined
  clientFiles = {}
  ends = undefined
  prepare = async () => environment(() => Promise.reject(new EnvironmentError('lost', 'the machine went')))
})

/** A job under way, and what became of it once the clock has passed `ms`. */
function handle(
  payloadOfJob: JobPayload = payload,
  others: object = {},
): {
  readonly job: ActiveJob
  readonly after: (ms: number) => Promise<JobEnd | Error | undefined>
} {
  const options = {
    job: payloadOfJob,
    place: {
      key: 'k',
      kind: 'slot',
      readyAt: 0,
      priority: 0,
      speculative: true,
      [Symbol.dispose]: () => events.push('disposed'),
    },
    settings: { ...settings.runners[0]!, ...clientFiles, ...(tlsCaFile !== undefined && { tlsCaFile }) },
    client: {
      updateJob: async (_job: unknown, update: JobUpdate, signal?: AbortSignal) => {
        signal?.throwIfAborted()
        updates.push(update)
        if (update.state === 'running') return reply(acceptStatus)
        events.push('reported')
        return reply(endStatus)
      },
      patchTrace: async (_job: unknown, { start, bytes }: { start: number; bytes: Buffer }, signal?: AbortSignal) => {
        signal?.throwIfAborted()
        sent += bytes.toString()
        return { ...reply(patchStatus), traceSize: start + bytes.length }
      },
    },
    executor: {
      prepare: async (_reservation: unknown, { report, signal, again }: PrepareOptions) => {
        places.push(again === true)
        signal.throwIfAborted()
        const aborted = new Promise<never>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        })
        const place = await Promise.race([prepare(report), aborted])
        return {
          instanceId: 'i-1',
          environment: place,
          ending: ending.signal,
          release: async () => void events.push('released'),
          wipe: () => void events.push('wiped'),
        }
      },
    },
    identity: {
      name: 'a',
      version: '1',
      revision: 'r',
      shortToken: 's',
      systemId: 's_1',
      hostname: 'h',
      executor: 'instance',
      architecture: 'linux/amd64',
    },
    onPhase: (phase: JobPhase) => phases.push(phase),
    onStage: (stage: JobStage | undefined) => stages.push(stage),
    onWait: (why: string) => waits.push(why),
    onPlaced: () => {},
    onSlotFree: () => events.push('free'),
    ends,
    clock,
    random: () => 0.5,
    logger: silentLogger,
    ...others,
  } as unknown as ActiveJobOptions
  const job = new ActiveJob(options)
  let end: JobEnd | Error | undefined
  job.run().then(
    (value) => {
      end = value
    },
    (error: Error) => {
      end = error
    },
  )
  const after = async (ms: number): Promise<JobEnd | Error | undefined> => {
    await clock.advance(ms)
    return end
  }
  return { job, after }
}

test('the slot is given back before the end is reported', async () => {
  const { after } = handle()
  expect(await after(10_000)).toMatchObject({
    outcome: { state: 'failed', reason: 'runner_system_failure', message: 'the machine went' },
    isReported: true,
  })
  expect(events).toEqual(['released', 'disposed', 'free', 'reported', 'wiped'])
  expect(phases).toEqual(['running', 'finished'])
  expect(stages).toEqual(['prepare_executor', 'prepare_script', undefined])
  expect(updates.at(-1)).toMatchObject({ state: 'failed', failureReason: 'runner_system_failure' })
})

test('the end of a job that cannot be kept is told before its slot is given back, and what shows that it ran stays', async () => {
  const full = new StateError('disk_full', 'no room')
  let isFull = true
  const lease = await new MemoryStateStore().lease('fleet')
  const write = lease.write.bind(lease)
  lease.write = async (changes) => (isFull ? Promise.reject(full) : write(changes))
  const journal = new JobJournal({
    journal: Journal.over({ lease, clock, logger: silentLogger }),
    seal: new Seal(Buffer.alloc(32)),
    runner: 'a',
  })
  ends = new EndOutbox({ client: undefined as never, journal, clock, random: () => 0.5, logger: silentLogger })
  const { after } = handle()
  expect(await after(30_000)).toMatchObject({ isReported: true })
  expect(events).toEqual(['reported', 'released', 'disposed', 'free'])
  isFull = false
  await after(10_000)
  expect(events).toEqual(['reported', 'released', 'disposed', 'free', 'wiped'])
  expect(await journal.load()).toMatchObject([])
})

describe('what the runner says in the log', () => {
  const checkpoints: ActiveJobCheckpoint[] = []
  const onCheckpoint = (take: () => ActiveJobCheckpoint): void => void checkpoints.push(take())

  test.each([
    ['is sent once it is kept for the next process', true],
    ['is sent all the same when it cannot be kept for a while', false],
  ])('%s', async (_, canBeKept) => {
    checkpoints.length = 0
    let keep = (): void => {}
    const kept = new Promise<void>((resolve) => (keep = resolve))
    ends = { keep: async () => undefined, settled: () => kept, take: async () => {} }
    prepare = async () => environment(never)
    const { after } = handle(payload, { onCheckpoint })
    while (checkpoints.every(({ run }) => run.said.length === 0)) await after(10)
    await after(1_500)
    expect(sent).toBe('')
    if (canBeKept) keep()
    await after(canBeKept ? 10 : 3_000)
    expect(sent).toContain('Running with runner-core')
    const said = checkpoints.flatMap(({ run }) => run.said.map(({ text }) => text)).join('')
    // Times are added when it is sent.
    expect(said).toContain(sent.slice(sent.indexOf('Running'), sent.indexOf('\n')))
  })

  test('has times, unless an earlier version began it without', async () => {
    ends = { keep: async () => undefined, settled: async () => {}, take: async () => {} }
    prepare = async () => environment(never)
    checkpoints.length = 0
    await handle(payload, { onCheckpoint }).after(10_000)
    expect(sent).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z 00O Running with/)
    expect(sent).not.toMatch(/^Running with/m)
    const { run } = checkpoints.at(-1)!
    await handle(payload, { onCheckpoint, checkpoint: { run, sent: { bytes: 0, crc32: 0 } } }).after(10_000)
    expect(sent).toMatch(/^Running with/m)
  })

  test('is sent no more when another process has the job', async () => {
    let keep = (): void => {}
    const kept = new Promise<void>((resolve) => (keep = resolve))
    ends = { keep: async () => undefined, settled: () => kept, take: async () => {} }
    prepare = async () => environment(never)
    checkpoints.length = 0
    const warnings: unknown[] = []
    const logger = { ...silentLogger, warn: (...words: unknown[]) => void warnings.push(words) }
    const { job, after } = handle(payload, { onCheckpoint, logger })
    while (checkpoints.every(({ run }) => run.said.length === 0)) await after(10)
    await after(1_500)
    job.leave({ atOnce: false })
    keep()
    await after(10_000)
    expect([sent, warnings]).toEqual(['', []])
  })
})

test('no command runs before the coordinator has said that the job is ours', async () => {
  acceptStatus = 500
  const { after } = handle()
  expect(await after(1_000)).toBeUndefined()
  expect(phases).toEqual([])
  acceptStatus = 200
  await after(120_000)
  expect(phases).toEqual(['running', 'finished'])
})

test.each([409, 400, 403, 404])('accepting answers %i: dropped without another word', async (status) => {
  acceptStatus = status
  const { after } = handle()
  expect(await after(1_000)).toBe('gone')
  expect(updates).toHaveLength(1)
  expect(events).toContain('disposed')
})

test.each([
  ['what signs the coordinator’s certificate goes to the machine', 'ca.pem', true],
  ['a file of certificates that is gone fails no job by itself', 'gone.pem', false],
])('%s', async (_name, file, isThere) => {
  tlsCaFile = tlsFile(file)
  const scripts: string[] = []
  prepare = async () =>
    environment(async ({ script }) => {
      scripts.push(script.toString())
      throw new EnvironmentError('lost', 'the machine went')
    })
  await handle().after(0)
  expect(scripts).toHaveLength(1)
  expect(scripts[0]!.includes('CI_SERVER_TLS_CA_FILE=')).toBe(isThere)
  if (isThere) expect(scripts[0]).toContain(readFileSync(tlsCaFile, 'utf8').trim())
})

test.each([
  ['what shows the coordinator who this is goes to the machine', 'client.key', true],
  ['a key that is gone fails no job by itself', 'gone.key', false],
])('%s', async (_name, key, isThere) => {
  clientFiles = { tlsCertFile: tlsFile('client.pem'), tlsKeyFile: tlsFile(key) }
  const scripts: string[] = []
  prepare = async () =>
    environment(async ({ script }) => {
      scripts.push(script.toString())
      throw new EnvironmentError('lost', 'the machine went')
    })
  await handle().after(0)
  expect(scripts).toHaveLength(1)
  for (const file of ['CERT', 'KEY']) expect(scripts[0]!.includes(`CI_SERVER_TLS_${file}_FILE=`)).toBe(isThere)
  if (isThere) expect(scripts[0]).toContain(readFileSync(tlsFile('client.key'), 'utf8').trim())
})

test('a coordinator that cannot be told for a minute that we have the job: a system failure, told when it is back', async () => {
  acceptStatus = 418
  const { after } = handle()
  expect(await after(70_000)).toBeUndefined()
  expect(events).toEqual(['released', 'disposed', 'free'])
  acceptStatus = 200
  const outcome = { state: 'failed', reason: 'runner_system_failure' }
  expect(await after(60_000)).toMatchObject({ outcome, isReported: true })
  expect(updates.slice(-2)).toMatchObject([
    { state: 'running' },
    { state: 'failed', failureReason: 'runner_system_failure' },
  ])
  expect(sent).toContain('the coordinator could not be told that the job was taken')
  expect(phases).toEqual(['finished'])
})

test('and if it does not come back, the job is unreported; if somebody else has it by then, gone', async () => {
  acceptStatus = 418
  const lost = handle()
  expect(await lost.after(1_200_000)).toMatchObject({ outcome: { reason: 'runner_system_failure' }, isReported: false })
  expect(events).not.toContain('reported')
  const late = handle()
  await late.after(70_000)
  acceptStatus = 409
  expect(await late.after(60_000)).toBe('gone')
})

test.each([
  ['whose script an earlier process began goes on, since the coordinator knew of it', 1, false],
  ['of which nothing had begun is to end', 0, true],
])('a job of an earlier process %s, when the coordinator cannot be told for a minute', async (_, scripts, isToEnd) => {
  acceptStatus = 418
  const run = {
    scripts: Array(scripts).fill({ nonce: 'n', startedAt: 1 }),
    environment: 'h',
    said: [],
    position: 0,
    startedAt: 1,
  }
  const resume = async () => ({
    instanceId: 'i-1',
    environment: environment(never),
    ending: ending.signal,
    release: async () => {},
    wipe: () => {},
  })
  const { job, after } = handle(payload, {
    place: { acquisition: { key: 'k' }, handle: 'h' },
    checkpoint: { run, sent: { bytes: 0, crc32: 0 } },
    executor: { resume },
  })
  await after(70_000)
  expect(job.stopped.aborted).toBe(isToEnd)
})

test('the executor gets the job itself, for its place and to resume it', async () => {
  const given: unknown[] = []
  const failed = Promise.reject(new Error('no machine'))
  failed.catch(() => {})
  const executor = {
    prepare: (_reservation: unknown, { job }: PrepareOptions) => {
      given.push(job)
      return failed
    },
    resume: (_acquisition: unknown, _handle: unknown, job: unknown) => {
      given.push(job)
      return failed
    },
  }
  await handle(payload, { executor }).after(10_000)
  await handle(payload, { executor, place: { acquisition: { key: 'k' }, handle: 'h' } }).after(10_000)
  expect(given).toEqual([payload, payload])
})

test('a place that cannot be had is a system failure', async () => {
  prepare = () => Promise.reject(new Error('no machine'))
  const { after } = handle()
  expect(await after(10_000)).toMatchObject({
    outcome: { reason: 'runner_system_failure', message: 'no machine' },
    isReported: true,
  })
  expect(events).toEqual(['disposed', 'free', 'reported'])
})

test('why there is no machine yet is sent at once, also what is said before the job is accepted', async () => {
  let tell: (line: string) => void = () => {}
  prepare = (report) => {
    tell = report
    report('no machine yet')
    return never()
  }
  const { after } = handle()
  await after(1)
  expect(sent).toContain('no machine yet\n')
  // Well within the interval of the last piece.
  tell('still none')
  await after(1)
  expect(sent).toMatch(/still none\n$/)
  expect(waits).toEqual(['no machine yet', 'still none'])
})

test('interrupted while it waits for a machine, or while it runs: reported as such', async () => {
  prepare = never
  const waiting = handle()
  await waiting.after(10)
  waiting.job.interrupt()
  expect(await waiting.after(10_000)).toMatchObject({ outcome: { reason: 'runner_interrupted' }, isReported: true })

  prepare = async () =>
    environment(
      ({ signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
        ),
    )
  const running = handle()
  await running.after(10)
  running.job.interrupt()
  expect(await running.after(60_000)).toMatchObject({ outcome: { reason: 'runner_interrupted' }, isReported: true })
  expect(updates.at(-1)).toMatchObject({ state: 'failed', failureReason: 'runner_interrupted' })
})

test('abandoned: a machine that hangs and a coordinator that fails are waited for no longer', async () => {
  prepare = async () => environment(never)
  const { job, after } = handle()
  await after(10)
  job.abandon()
  expect(await after(0)).toMatchObject({ outcome: { reason: 'runner_interrupted' }, isReported: false })
  expect(events).toContain('released')
})

test('canceled at once: it ends, and its slot is free', async () => {
  jobStatus = 'canceled'
  prepare = never
  const { after } = handle()
  expect(await after(10_000)).toBe('gone')
  expect(events).toEqual(['disposed', 'free'])
})

test('canceled while its script runs: the coordinator, which called it off, needs no report', async () => {
  prepare = async () =>
    environment(({ signal }) => {
      patchStatus = 403
      endStatus = 403
      jobStatus = 'canceled'
      return new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
      )
    })
  const { after } = handle()
  expect(await after(60_000)).toMatchObject({ outcome: { reason: 'job_canceled' }, isReported: true })
})

test('whose machine the cloud takes away is ended in time, and reported as interrupted', async () => {
  let stopped: unknown
  prepare = async () =>
    environment(
      ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            stopped = signal.reason
            reject(signal.reason)
          })
        }),
    )
  const { after } = handle()
  await after(1_000)
  ending.abort(new Error('the cloud takes instance i-1 away'))
  expect(await after(1_000)).toMatchObject({
    outcome: { reason: 'runner_interrupted', message: 'the cloud takes instance i-1 away' },
    isReported: true,
  })
  expect(stopped).toMatchObject({ reason: 'runner_interrupted' })
  expect(updates.at(-1)).toMatchObject({ failureReason: 'runner_interrupted' })
})

test.each([
  ['lost as the cloud had announced', { isInterruption: true }, 'runner_interrupted', [false]],
  ['lost without a word', {}, 'runner_system_failure', [false]],
  ['lost, three times, before anything began', { isUntouched: true }, 'runner_system_failure', [false, true, true]],
])('whose machine is %s', async (_how, what, reason, asked) => {
  prepare = async () => environment(() => Promise.reject(new EnvironmentError('lost', 'the machine went', what)))
  expect(await handle().after(60_000)).toMatchObject({ outcome: { reason } })
  expect(places).toEqual(asked)
  expect(events.filter((event) => event === 'released')).toHaveLength(asked.length)
})

test.each([
  ['gone under it, and it asks for no attempts', { isGone: true }, undefined, [false]],
  ['gone under it, and it asks for two', { isGone: true }, '2', [false, true]],
  ['gone under it, and it asks for too many', { isGone: true }, '99', [false]],
  ['out of reach, where the job may run on, and it asks for two', {}, '2', [false]],
])('whose machine is %s', async (_how, what, attempts, asked) => {
  prepare = async () => environment(() => Promise.reject(new EnvironmentError('lost', 'the machine went', what)))
  const asks = {
    key: 'EXECUTOR_JOB_SECTION_ATTEMPTS',
    value: attempts ?? '',
    public: true,
    file: false,
    masked: false,
    raw: false,
  }
  expect(await handle({ ...payload, variables: [...payload.variables, asks] }).after(60_000)).toMatchObject({
    outcome: { reason: 'runner_system_failure', code: 'environment_lost' },
  })
  expect(places).toEqual(asked)
  expect(sent.includes('Starting again on another slot, attempt 2 of 2 (EXECUTOR_JOB_SECTION_ATTEMPTS).')).toBe(
    asked.length === 2,
  )
  expect(sent.includes('EXECUTOR_JOB_SECTION_ATTEMPTS: expected 1 to 10, got "99"; 1 is used')).toBe(attempts === '99')
})

test('moves to another machine when its own is lost before anything of it began, and goes on there', async () => {
  let tries = 0
  prepare = async () =>
    environment(async ({ stdout }) => {
      tries += 1
      if (tries === 1) throw new EnvironmentError('lost', 'instance i-1, slot 0 was lost', { isUntouched: true })
      await stdout(Buffer.from(''))
      return { exitCode: 0 }
    })
  await handle().after(60_000)
  expect(places).toEqual([false, true])
  expect(sent).toContain('instance i-1, slot 0 was lost. Nothing of the job has started: moving to another slot.')
})
