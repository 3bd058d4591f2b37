// How a run ends: signals to the real process, with real local instances.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Coordinator, type CoordinatorJob, listProcesses } from '@runner-core/runner/testing'
import { type BinRun, startBin, startNpx } from '@runner-core/testkit/manager/bin'
import { afterEach, beforeEach, expect, test } from 'vitest'

let coordinator: Coordinator
let folder: string
let run: BinRun

beforeEach(async () => {
  coordinator = await Coordinator.start()
  folder = mkdtempSync(join(tmpdir(), 'runner-core-stop-'))
})

afterEach(async () => {
  run.process.kill('SIGKILL')
  await run.ended
  await coordinator.close()
  rmSync(folder, { recursive: true, force: true })
})

function start({ shutdownTimeout = 20, top = '', by = 'node', env = process.env } = {}): void {
  writeFileSync(
    join(folder, 'config.toml'),
    `shutdown_timeout = ${shutdownTimeout}
log_format = "json"
${top}
[[runners]]
name = "stop"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "instance"
[runners.autoscaler]
plugin = "local"
capacity_per_instance = 2
max_instances = 1
update_interval_when_expecting = "200ms"
plugin_config = { root_dir = "${join(folder, 'instances')}" }
`,
  )
  const args = ['run', '--config', join(folder, 'config.toml')]
  run = by === 'npx' ? startNpx(args) : startBin(args, { env })
}

/** A job that is busy, with children that try to outlive it, once its script has begun. */
async function busyJob(seconds = 300): Promise<CoordinatorJob> {
  const job = coordinator.enqueue({
    script: [`(setsid sleep 300 &) ; sleep 300 & echo be''gun`, `sleep ${seconds}`, 'echo fin""ished'],
    marker: 'begun',
  })
  await until(() => job.times.firstOutputAt !== undefined)
  return job
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
}

/**
 * What is alive of this run: its instances and the jobs' processes on them have the folder in their command line,
 * environment or parent.
 */
const leftovers = (): readonly string[] =>
  listProcesses()
    .filter(
      ({ pid, environment, commandLine }) =>
        pid !== run.process.pid && `${environment} ${commandLine}`.includes(folder),
    )
    .map(({ commandLine }) => commandLine)

test('SIGQUIT: running jobs finish, waiting ones stay with GitLab', async () => {
  start()
  const job = await busyJob(2)
  run.process.kill('SIGQUIT')
  await until(() => run.stderr.includes('"mode":"graceful"'))
  const late = coordinator.enqueue({ script: ['true'] })
  expect(await run.ended).toBe(0)
  expect([job.state, late.state]).toEqual(['success', 'pending'])
  expect(job.trace.text()).toContain('finished')
  expect(leftovers()).toEqual([])
})

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s: running jobs end at once, and are reported as interrupted',
  async (signal) => {
    start()
    const job = await busyJob()
    run.process.kill(signal)
    expect(await run.ended).toBe(0)
    expect([job.state, job.failureReason]).toEqual(['failed', 'runner_interrupted'])
    expect(job.trace.text()).toContain('the runner was stopped')
    expect(leftovers()).toEqual([])
    expect(coordinator.violations).toEqual([])
  },
)

test('SIGTERM: a machine whose job could not be ended is removed once the last attempt to do so is over', async () => {
  const [tools, isSlow] = [join(folder, 'bin'), join(folder, 'slow')]
  mkdirSync(tools)
  // What ends a job's processes is given to `sh`; so is what removes the rest of it, which may come after.
  const slowSh = `#!/bin/bash
if [ -e ${isSlow} ]; then grep -q 'echo wiped' || { echo x >>${isSlow}; sleep 1; }; exit; fi
exec /bin/sh "$@"
`
  writeFileSync(join(tools, 'sh'), slowSh, { mode: 0o755 })
  start({ env: { ...process.env, PATH: `${tools}:${process.env['PATH']}` } })
  const job = await busyJob()
  writeFileSync(isSlow, '')
  run.process.kill('SIGTERM')
  expect(await run.ended).toBe(0)
  expect(job.failureReason).toBe('runner_interrupted')
  expect(readFileSync(isSlow, 'utf8')).toBe('x\nx\n')
  expect(leftovers()).toEqual([])
})

test('a server that does not know runner_interrupted is told runner_system_failure', async () => {
  start()
  const job = coordinator.enqueue({ script: ['echo be""gun; sleep 300'], marker: 'begun', failureReasons: [] })
  await until(() => job.times.firstOutputAt !== undefined)
  run.process.kill('SIGTERM')
  expect(await run.ended).toBe(0)
  expect(job.failureReason).toBe('runner_system_failure')
})

test('SIGQUIT, then SIGTERM: the second one is harder', async () => {
  start()
  const job = await busyJob()
  run.process.kill('SIGQUIT')
  await until(() => run.stderr.includes('"mode":"graceful"'))
  run.process.kill('SIGTERM')
  expect(await run.ended).toBe(0)
  expect(job.failureReason).toBe('runner_interrupted')
  expect(leftovers()).toEqual([])
})

test('a coordinator that does not answer: given up after shutdown_timeout, with an exit code that says so', async () => {
  start({ shutdownTimeout: 1 })
  const job = await busyJob()
  for (const on of ['trace', 'finish', 'keep_alive'] as const)
    coordinator.inject({ on, times: 1_000, delayMs: 600_000 })
  run.process.kill('SIGTERM')
  expect(await run.ended).toBe(1)
  expect(job.state).toBe('running')
  expect(run.stderr).toContain('"unreported_jobs":1')
  expect(leftovers()).toEqual([])
})

test('a second SIGTERM does not wait for anything', async () => {
  start({ shutdownTimeout: 600 })
  await busyJob()
  for (const on of ['trace', 'finish', 'keep_alive'] as const)
    coordinator.inject({ on, times: 1_000, delayMs: 600_000 })
  run.process.kill('SIGTERM')
  await until(() => run.stderr.includes('"mode":"fast"'))
  run.process.kill('SIGTERM')
  expect(await run.ended).toBe(1)
  expect(run.stderr).toContain('"mode":"now","unreported_jobs":1,"msg":"runner stops"')
  await until(() => leftovers().length === 0)
})

test('SIGKILL: nothing of it lives on', async () => {
  start()
  await busyJob()
  expect(leftovers().length).toBeGreaterThan(2)
  run.process.kill('SIGKILL')
  expect(await run.ended).toBe('SIGKILL')
  await until(() => leftovers().length === 0)
})

test.each(['SIGTERM', 'SIGKILL'] as const)('%s to npx, which started it: it ends all the same', async (signal) => {
  start({ by: 'npx' })
  const job = await busyJob()
  run.process.kill(signal)
  await job.finished
  expect(job.failureReason).toBe('runner_interrupted')
  await until(() => leftovers().length === 0)
})

test('an error that nobody caught: jobs are reported and machines removed before it ends', async () => {
  const crash = join(folder, 'crash.mjs')
  writeFileSync(
    crash,
    "process.on('SIGUSR2', () => setImmediate(() => { throw new Error('boom') }) && setImmediate(() => { throw new Error('bang') }))",
  )
  start({ env: { ...process.env, NODE_OPTIONS: `--import=${pathToFileURL(crash).href}` } })
  const job = await busyJob()
  run.process.kill('SIGUSR2')
  expect(await run.ended).toBe(1)
  expect(run.stderr).toContain('unexpected error, stopping')
  expect(run.stderr).toContain('unexpected error while stopping')
  expect(job.failureReason).toBe('runner_interrupted')
  expect(leftovers()).toEqual([])
})

test('while it runs: health, metrics, and logs without a secret', async () => {
  start({ top: 'listen_address = "127.0.0.1:0"\nlog_level = "debug"' })
  const job = await busyJob()
  const port = /"port":(\d+)/.exec(run.stderr)?.[1]
  const get = async (path: string): Promise<{ status: number; text: string }> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return { status: response.status, text: await response.text() }
  }
  expect((await get('/health/live')).status).toBe(200)
  expect((await get('/health/ready')).status).toBe(200)
  const { text } = await get('/metrics')
  expect(text).toMatch(/^gitlab_runner_jobs\{.*state="running",stage="step_script",.*\} 1$/m)
  expect(text).toMatch(/^fleeting_provisioner_instances\{.*state="running"\} 1$/m)
  run.process.kill('SIGTERM')
  await run.ended
  for (const secret of [Coordinator.token, job.assignment!.jobToken]) expect(run.stderr).not.toContain(secret)
  for (const line of run.stderr.trim().split('\n'))
    expect(JSON.parse(line)).toMatchObject({ level: expect.any(String), msg: expect.any(String) })
})

test('SIGUSR1 opens no debugger', async () => {
  start()
  await busyJob()
  run.process.kill('SIGUSR1')
  run.process.kill('SIGTERM')
  await run.ended
  expect(run.stderr).not.toContain('Debugger listening')
})
