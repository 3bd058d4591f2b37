import { delay, silentLogger } from '@runner-core/fleeting'
import { type FleetLease, Journal, MemoryStateStore, StateError } from '@runner-core/fleeting/state'
import { ManualClock } from '@runner-core/fleeting/testing'
import type { JobEnvironment, JobPayload } from '@runner-core/job'
import type { Reservation } from '@runner-core/taskscaler'
import { beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '../config/parse-config.ts'
import type { JobUpdate } from '../gitlab/job-api-client.ts'
import type { JobReply } from '../gitlab/job-reply.ts'
import { JobJournal } from '../state/job-journal.ts'
import { Seal } from '../state/seal.ts'
import { JobSupervisor, type JobSupervisorOptions } from './job-supervisor.ts'

const { settings } = parseConfig(`[[runners]]
name = "a"
url = "http://gitlab.example.com"
token = "glrt-token"
executor = "instance"
[runners.autoscaler]
plugin = "local"
`)

const payload = (id: number): JobPayload =>
  ({
    id,
    token: 'job-token',
    job_info: {
      name: 'job',
      stage: 'test',
      project_id: 1,
      project_name: 'p',
      project_full_path: 'g/p',
      time_in_queue_seconds: 0,
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
    features: {
      trace_sections: false,
      token_mask_prefixes: [],
      failure_reasons: ['runner_interrupted', 'job_execution_timeout'],
    },
    unsupported: [],
  }) as unknown as JobPayload

let clock: ManualClock
let store: MemoryStateStore
let lease: FleetLease
let journal: Journal
let supervisor: JobSupervisor
/** Whether the disk has no room for a record of the part that a test is about. */
let refuses: (key: string) => boolean
let updates: { readonly id: number; readonly state: string }[]
let trace: string
let scripts: number
let scriptMs: number
/** How long a job waits for its place. */
let placeMs: number
let disposed: number
/** False: the job was cancelled. */
let wanted: boolean
/** Whether what was handed out with the token is not ours any more. */
let isTakenBack: (token: string) => boolean
let waits: string[]
/** What was removed of jobs that are over, and that everything was. */
let cleanups: string[]

const reservation = (): Reservation => {
  let isOpen = true
  return {
    key: 'k',
    kind: 'slot',
    readyAt: 0,
    priority: 0,
    speculative: true,
    [Symbol.dispose]: () => {
      if (isOpen) disposed++
      isOpen = false
    },
  }
}

beforeEach(async () => {
  clock = new ManualClock()
  store = new MemoryStateStore()
  updates = []
  trace = ''
  scripts = 0
  scriptMs = 0
  placeMs = 0
  wanted = true
  isTakenBack = () => false
  disposed = 0
  waits = []
  cleanups = []
  refuses = () => false
  lease = await store.lease('fleet')
  const write = lease.write.bind(lease)
  lease.write = async (changes) => {
    if (changes.some(({ kind, key }) => refuses(`${kind} ${key}`))) throw new StateError('disk_full', 'no room')
    await write(changes)
  }
  journal = Journal.over({ lease, clock, logger: silentLogger })
  const environment = {
    shell: 'sh',
    description: 'instance i-1, slot 0',
    jobMarker: { name: 'MARK', value: '1' },
    buildsDir: 'builds',
    concurrentId: 0,
    handle: 'handle',
    run: async () => {
      scripts++
      if (scriptMs > 0) await delay(clock, scriptMs)
      return { exitCode: 0 }
    },
    transfer: () => Promise.reject(new Error('no files')),
    killAll: async () => {},
  } as unknown as JobEnvironment
  const reply = {
    status: 200,
    jobStatus: undefined,
    updateIntervalMs: undefined,
    traceSize: 0,
    message: '',
  } as unknown as JobReply
  supervisor = new JobSupervisor({
    settings: settings.runners[0]!,
    client: {
      updateJob: async ({ id, token }: JobPayload, { state }: JobUpdate) => {
        updates.push({ id, state })
        if (isTakenBack(token)) return { ...reply, status: 403 }
        return wanted ? reply : { ...reply, jobStatus: 'canceling' }
      },
      patchTrace: async (_job: unknown, { bytes }: { bytes: Buffer }) => {
        trace += bytes.toString()
        return { ...reply, status: 202 }
      },
    },
    executor: {
      prepare: async (_place: unknown, { signal }: { signal: AbortSignal }) => {
        if (placeMs > 0) await delay(clock, placeMs, signal)
        return {
          instanceId: 'i-1',
          acquisitionKey: 'k',
          environment,
          ending: new AbortController().signal,
          release: async () => {},
          wipe: () => void cleanups.push('wipe'),
        }
      },
      sweepsEnded: async () => void cleanups.push('swept'),
    },
    identity: {
      name: 'a',
      version: '1',
      revision: 'r',
      shortToken: 's',
      systemId: 's_1',
      hostname: 'h',
      executor: 'instance',
      architecture: 'l',
    },
    queue: { set: () => {} },
    observer: { started: () => {}, stageEnded: () => {}, ended: () => {} },
    journal: new JobJournal({ journal, seal: new Seal(Buffer.alloc(32)), runner: 'a' }),
    record: {
      jobCame: () => {},
      jobWaits: (_id: string, why: string) => void waits.push(why),
      jobPlaced: () => {},
      jobEnded: () => {},
    },
    onSlotFree: () => {},
    clock,
    logger: silentLogger,
  } as unknown as JobSupervisorOptions)
})

const everything = (): boolean => true
const running = async (): Promise<readonly string[]> => (await lease.load(['job'])).map(({ key }) => key)

describe('JobSupervisor, while state cannot be written', () => {
  test('keeps a job that was handed out, accepts it only once it is kept, and runs it', async () => {
    refuses = everything
    const run = supervisor.run(payload(7), reservation())
    await clock.advance(90_000)
    expect([updates, disposed]).toEqual([[], 0])
    expect(waits).toEqual(['waiting until state can be written: no room; until then it is not accepted'])
    refuses = () => false
    await clock.advance(60_000)
    await run
    // The stand-in for a machine prints nothing, which no script of ours does.
    expect(updates.map(({ state }) => state)).toEqual(['running', 'failed'])
    expect([scripts, disposed, await running()]).toEqual([1, 1, []])
  })

  test('gives a job back untold that could not be kept for as long as it may take, or when the runner stops', async () => {
    refuses = everything
    const late = supervisor.run(payload(7), reservation())
    await clock.advance(3_601_000)
    await late
    const interrupted = supervisor.run(payload(8), reservation())
    await clock.advance(1_000)
    supervisor.interrupt()
    await clock.advance(0)
    await interrupted
    expect([updates, scripts, disposed]).toEqual([[], 0, 2])
    refuses = () => false
    await clock.advance(10_000)
    expect(await running()).toEqual([])
  })

  test('runs a job once that is handed out again while it waits', async () => {
    refuses = everything
    const runs = [supervisor.run(payload(7), reservation()), supervisor.run(payload(7), reservation())]
    await clock.advance(1_000)
    refuses = () => false
    await clock.advance(60_000)
    await Promise.all(runs)
    expect([scripts, disposed]).toEqual([1, 2])
  })

  test('runs a job that is handed out again where the coordinator has the first hand-out back', async () => {
    refuses = everything
    const runs = [
      supervisor.run(payload(7), reservation()),
      supervisor.run({ ...payload(7), token: 'new' }, reservation()),
    ]
    await clock.advance(1_000)
    isTakenBack = (token) => token === 'job-token'
    refuses = () => false
    await clock.advance(60_000)
    await Promise.all(runs)
    expect(updates.map(({ state }) => state)).toEqual(['running', 'running', 'failed'])
    expect([scripts, disposed, await running()]).toEqual([1, 2, []])
  })

  test('holds the slot of a job that is handed out again for ten seconds at most', async () => {
    placeMs = 60_000
    const first = supervisor.run(payload(7), reservation())
    await clock.advance(1_000)
    const second = supervisor.run(payload(7), reservation())
    await clock.advance(9_000)
    expect(disposed).toBe(0)
    await clock.advance(1_000)
    await second
    expect([disposed, scripts]).toEqual([1, 0])
    await clock.advance(60_000)
    await first
    expect([disposed, scripts]).toEqual([2, 1])
  })

  test('starts no script before its checkpoint is kept, and says why in the trace', async () => {
    refuses = (key) => key.endsWith('checkpoint')
    const run = supervisor.run(payload(7), reservation())
    await clock.advance(90_000)
    expect([scripts, updates.at(-1)?.state]).toEqual([0, 'running'])
    expect(
      trace.match(
        /^\S+Z 00O Waiting until state can be written: no room; until then no script of the job is started$/gm,
      ),
    ).toHaveLength(3)
    refuses = () => false
    await clock.advance(60_000)
    await run
    expect([scripts, updates.at(-1)?.state]).toEqual([1, 'failed'])
  })

  test('ends a job whose checkpoint cannot be kept within its own time limit: no script of it was started', async () => {
    refuses = (key) => key.endsWith('checkpoint')
    const run = supervisor.run(payload(7), reservation())
    await clock.advance(3_700_000)
    await run
    expect([scripts, updates.at(-1)?.state]).toEqual([0, 'failed'])
    expect(trace).toContain('execution took longer than 1h0m0s')
  })

  test('starts no script of a job that another process has by then', async () => {
    refuses = (key) => key.endsWith('checkpoint')
    void supervisor.run(payload(7), reservation())
    await clock.advance(1_000)
    await store.lease('fleet', { takeover: true })
    await clock.advance(60_000)
    expect(scripts).toBe(0)
  })

  test('forgets a job that has ended as soon as state can be written again', async () => {
    let isFull = false
    refuses = () => isFull
    scriptMs = 5_000
    const run = supervisor.run(payload(7), reservation())
    while (scripts === 0) await clock.advance(10)
    isFull = true
    await clock.advance(60_000)
    await run
    expect(await running()).not.toEqual([])
    isFull = false
    await clock.advance(5_000)
    expect(await running()).toEqual([])
  })

  test.each([
    ['as soon as its end is kept', 900, [], ['wipe', 'swept']],
    ['and leaves it after a while', 60_000, ['swept'], ['swept', 'wipe']],
  ])('waits, before it is done, to remove what a job left: %s', async (_, fullMs, meanwhile, after) => {
    let isFull = false
    refuses = () => isFull
    scriptMs = 5_000
    const run = supervisor.run(payload(8), reservation())
    while (scripts === 0) await clock.advance(10)
    isFull = true
    let isOver = false
    void run.then(() => (isOver = true))
    while (!isOver) await clock.advance(100)
    const swept = supervisor.sweepsEnded()
    await clock.advance(fullMs)
    expect(cleanups).toEqual(meanwhile)
    isFull = false
    await clock.advance(6_000)
    await swept
    expect(cleanups).toEqual(after)
  })
})

test('JobSupervisor marks a job of an earlier process while something is made of it, and no longer', async () => {
  let isMarked = false
  const write = lease.write.bind(lease)
  lease.write = async (changes) => {
    for (const { key, value } of changes) if (key.endsWith('/mark')) isMarked = value !== null
    await write(changes)
  }
  const { variables, ...job } = payload(7)
  const made: boolean[] = []
  const watched = Object.defineProperty(job, 'variables', {
    get: () => {
      made.push(isMarked)
      return variables
    },
  }) as JobPayload
  scriptMs = 60_000
  const run = supervisor.runAnew(watched)
  await clock.advance(1_000)
  // Once before it waits for its place, and once more when it has that.
  expect(made.slice(0, 3)).toEqual([true, true, true])
  expect(made.lastIndexOf(true)).toBeGreaterThan(made.indexOf(false))
  expect([scripts, isMarked]).toEqual([1, false])
  await clock.advance(120_000)
  await run
  expect(await running()).toEqual([])
})

describe('JobSupervisor, of a job of an earlier process that has no place yet', () => {
  test('tells the coordinator that it is here as long as it waits, and runs it', async () => {
    placeMs = 600_000
    const run = supervisor.runAnew(payload(7))
    await clock.advance(500_000)
    expect(updates.length).toBeGreaterThan(5)
    expect([updates[0], scripts]).toEqual([{ id: 7, state: 'running' }, 0])
    await clock.advance(200_000)
    await run
    expect(scripts).toBe(1)
    expect(await running()).toEqual([])
  })

  test('ends it when it is cancelled', async () => {
    placeMs = 600_000
    const run = supervisor.runAnew(payload(7))
    await clock.advance(60_000)
    wanted = false
    await clock.advance(120_000)
    await run
    expect(scripts).toBe(0)
    expect(await running()).toEqual([])
  })

  test('leaves it to the process that gets the fleet', async () => {
    placeMs = 600_000
    const run = supervisor.runAnew(payload(7))
    await clock.advance(60_000)
    supervisor.leave({ atOnce: false })
    await run
    expect(await running()).not.toEqual([])
  })
})
