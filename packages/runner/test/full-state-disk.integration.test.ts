// A disk for state that fills and is freed, under a real manager with real local machines.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { Coordinator, type CoordinatorJob } from '@runner-core/runner/testing'
import { kill, localMachines, Managers } from '@runner-core/testkit/manager/managers'
import { afterEach, expect, test } from 'vitest'

const jobCount = 60
let coordinator: Coordinator
let managers: Managers
let state: string
let ledger: string
let isMounted = false

/** `ackWindowMs`: when a job goes to another whose runner has not accepted it. */
async function start({ ackWindowMs }: { readonly ackWindowMs: number }): Promise<void> {
  coordinator = await Coordinator.start({
    ackWindowMs,
    traceUpdateIntervalSeconds: 1,
    jobRequestsPerMinute: 1e6,
    longPollMs: 5_000,
  })
  managers = new Managers('full-state')
  // Beside the folder, which is removed before it can be unmounted.
  state = `${managers.folder}-disk`
  ledger = join(managers.folder, 'ledger')
  mkdirSync(state)
  mkdirSync(ledger)
  isMounted = mount(state)
  managers.configure(`concurrent = 8
log_format = "json"
check_interval = 1
listen_address = "127.0.0.1:0"
state_dir = "${state}"
state_key_file = "${join(managers.folder, 'state.key')}"
[[runners]]
name = "full"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "instance"
request_concurrency = 4
[runners.autoscaler]
${localMachines(managers.folder)}
capacity_per_instance = 4
max_instances = 2
update_interval = "1s"
update_interval_when_expecting = "200ms"
[[runners.autoscaler.policy]]
idle_time = "1h"
`)
}

afterEach(async () => {
  await managers[Symbol.asyncDispose]()
  if (isMounted) execFileSync('umount', ['--lazy', state])
  rmSync(state, { recursive: true, force: true })
  await coordinator.close()
})

/** False, and one line says so: only root may mount. */
function mount(directory: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', directory], { stdio: 'pipe' })
    return true
  } catch (error) {
    console.log(`not run: a file system of 3 MB cannot be mounted: ${String(error).split('\n')[0]}`)
    return false
  }
}

const filler = (): string => join(state, 'filler')

/** Leaves not a byte. */
function fill(): void {
  for (let size = 1024 * 1024; size >= 1; size = Math.floor(size / 2)) {
    try {
      for (let count = 0; count < 4; count++) writeFileSync(filler(), Buffer.alloc(size), { flag: 'a' })
    } catch {}
  }
}

/** Larger than what SQLite has allocated already, and may go on writing to on a full disk. */
const variables = [{ key: 'LARGE', value: 'x'.repeat(100_000) }]

/** Says where it runs that it does. */
const enqueue = (first: number, count: number): readonly CoordinatorJob[] =>
  Array.from({ length: count }, (_, index) => first + index).map((number) =>
    coordinator.enqueue({
      variables,
      script: [`echo run >> "${join(ledger, String(number))}"`, `echo "job ${number}"`, 'sleep 0.7'],
    }),
  )

const ended = (jobs: readonly CoordinatorJob[]): number => jobs.filter(({ hasEnded }) => hasEnded).length

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await after(20)
}

function expectAllRight(jobs: readonly CoordinatorJob[]): void {
  expect(
    jobs.filter(({ state }) => state !== 'success').map(({ id, state, trace }) => `${id} ${state}: ${trace.text()}`),
  ).toEqual([])
  const runs = readdirSync(ledger).map((file) => readFileSync(join(ledger, file), 'utf8').trim().split('\n').length)
  expect([runs.length, Math.max(...runs)]).toEqual([jobCount, 1])
}

test('a state disk that fills under load and is freed: every job is handed out once and ends once, and health says why none is taken', async ({
  skip,
}) => {
  await start({ ackWindowMs: 60_000 })
  if (!isMounted) skip()
  const early = enqueue(0, 2)
  const run = managers.start()
  await until(() => ended(early) === 2)
  fill()
  const jobs = [...early, ...enqueue(2, jobCount - 2)]
  await until(() => run.stderr.includes('state cannot be written, no job is taken until it can'))
  const port = /"port":(\d+)[^\n]*status pages served/.exec(run.stderr)?.[1]
  const health = await fetch(`http://127.0.0.1:${port}/health/ready`)
  expect([health.status, await health.text()]).toEqual([503, expect.stringContaining('state cannot be written for')])
  await after(3_000)
  const requested = coordinator.count('request')
  await after(3_000)
  expect(coordinator.count('request')).toBe(requested)
  rmSync(filler())
  await until(() => ended(jobs) === jobCount)
  expectAllRight(jobs)
  expect(coordinator.count('request', 201)).toBe(jobCount)
  expect(coordinator.violations).toEqual([])
  const count = (text: string): number => run.stderr.split(text).length - 1
  expect(count('state can be written again')).toBe(count('state cannot be written, no job is taken until it can'))
})

test('a manager that is killed while its state disk is full: the next one ends every job, and none runs twice', async ({
  skip,
}) => {
  // What the first was given, and could not keep, comes again.
  await start({ ackWindowMs: 15_000 })
  if (!isMounted) skip()
  const early = enqueue(0, 2)
  const first = managers.start()
  await until(() => ended(early) === 2)
  fill()
  const jobs = [...early, ...enqueue(2, jobCount - 2)]
  await until(() => first.stderr.includes('state cannot be written, no job is taken until it can'))
  await after(1_500)
  await kill(first)
  const second = managers.start()
  await after(3_000)
  expect(existsSync(filler())).toBe(true)
  rmSync(filler())
  await until(() => ended(jobs) === jobCount)
  expectAllRight(jobs)
  expect(second.stderr).not.toContain('"level":"fatal"')
})
