// State over processes: real managers on one state directory, with real local machines.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { Coordinator, type CoordinatorJob, listProcesses } from '@runner-core/runner/testing'
import { stopOwner } from '@runner-core/testkit/machine/stop-owner'
import { type BinRun, runBin } from '@runner-core/testkit/manager/bin'
import { fleetConfig, kill, localMachines, Managers } from '@runner-core/testkit/manager/managers'
import { afterEach, beforeEach, expect, test } from 'vitest'

let coordinator: Coordinator
let managers: Managers
let folder: string

beforeEach(async () => {
  coordinator = await Coordinator.start({ ackWindowMs: 5_000 })
  managers = new Managers('state')
  folder = managers.folder
  managers.configure(
    fleetConfig({
      name: 'kept',
      url: coordinator.url,
      token: Coordinator.token,
      top: `log_format = "json"\nstate_dir = "${join(folder, 'state')}"`,
      machines: localMachines(folder),
      slots: 2,
    }),
  )
})

afterEach(async () => {
  await managers[Symbol.asyncDispose]()
  await coordinator.close()
})

const start = (...options: string[]): BinRun => managers.start(...options)

const machines = () =>
  listProcesses().filter(({ environment, commandLine }) => `${environment} ${commandLine}`.includes(folder))

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** Runs a job to its end and answers where it ran. */
async function place(job: CoordinatorJob): Promise<string> {
  const { state, trace } = await job.finished
  expect([state, trace.text()]).toEqual(['success', expect.stringMatching(/^at \//m)])
  return /^at (\/.*)$/m.exec(trace.text())![1]!
}

const simpleJob = (): CoordinatorJob => coordinator.enqueue({ script: ['echo "at $HOME"'] })

test('a manager that was killed leaves its machine to the next one, which goes on with it', async () => {
  const first = start()
  const before = await place(simpleJob())
  await kill(first)
  start()
  const afterwards = await place(simpleJob())
  expect(afterwards).toBe(before)
})

test('a second manager on the same state waits and acts on nothing; when the first one is killed it takes over', async () => {
  const first = start()
  const before = await place(simpleJob())
  const second = start()
  await until(() => second.stderr.includes('waiting: the fleet belongs to process '))
  expect(await place(simpleJob())).toBe(before)
  expect(second.stderr).not.toContain('Added job to processing list')
  expect(second.stderr).not.toContain('increasing instances')
  await kill(first)
  expect(await place(simpleJob())).toBe(before)
  expect(second.stderr).toContain('Added job to processing list')
  expect(second.stderr).not.toContain('increasing instances')
})

test('a manager that stalled has lost the fleet once another has taken it, and acts on nothing any more', async () => {
  const first = start()
  const before = await place(simpleJob())
  await stopOwner(first.process, join(folder, 'state', 'kept'), 'between writes')
  const second = start()
  await until(() => second.stderr.includes('plugin initialized'))
  first.process.kill('SIGCONT')
  await until(() => first.stderr.includes('another process took the fleet over'))
  const said = first.stderr.length
  for (let count = 0; count < 3; count += 1) expect(await place(simpleJob())).toBe(before)
  expect(first.stderr.slice(said)).not.toMatch(/Added job|increasing instances|decreasing instances|marked for removal/)
  expect(await first.ended).toBe(1)
  expect(first.stderr).toContain('runner ends: it has lost its fleets')
  expect(await place(simpleJob())).toBe(before)
})

/**
 * Waits for a write of the manager well after the last piece of the log: one that ends between the coordinator's answer
 * to a piece and its own note of that says the piece again.
 */
async function noted({ trace }: CoordinatorJob): Promise<void> {
  let [size, seenAt] = [-1, 0]
  await until(() => {
    if (trace.size !== size) [size, seenAt] = [trace.size, Date.now()]
    return statSync(join(folder, 'state', 'kept', 'state.db-wal')).mtimeMs > seenAt + 50
  })
}

test('the job of a manager that stalled goes on with the one that took the fleet, and the first one leaves it alone when it wakes', async () => {
  const first = start()
  const job = coordinator.enqueue({
    // Silent until the first manager stands still: it must not be stopped between a piece and its own note of it.
    script: [
      'for number in $(seq 3); do echo "line-$number."; done',
      `until [ -e ${join(folder, 'stopped')} ]; do sleep 0.1; done`,
      'for number in $(seq 4 25); do echo "line-$number."; sleep 1; done',
      'echo fin""ished',
    ],
    afterScript: ['echo after-"once"'],
    marker: 'line-3.',
  })
  await until(() => job.times.firstOutputAt !== undefined)
  await noted(job)
  await stopOwner(first.process, join(folder, 'state', 'kept'), 'between writes')
  writeFileSync(join(folder, 'stopped'), '')
  const second = start()
  await until(() => second.stderr.includes('job of an earlier process goes on'))
  first.process.kill('SIGCONT')
  await until(() => first.stderr.includes('another process took the fleet over'))
  expect((await job.finished).state).toBe('success')
  const lines = Array.from({ length: 25 }, (_, index) => `line-${index + 1}.`)
  const text = job.trace.text()
  expect(text.match(/^line-\d+\.$/gm)).toEqual(lines)
  expect([text.match(/^finished$/gm), text.match(/^after-once$/gm)]).toEqual([['finished'], ['after-once']])
  expect(coordinator.violations).toEqual([])
})

test('a job of a manager that was killed ends once, and its secrets are in nothing that was written', async () => {
  const first = start()
  const secret = 'correct-horse-battery'
  const job = coordinator.enqueue({
    script: ['echo be""gun', 'sleep 3'],
    marker: 'begun',
    variables: [{ key: 'SECRET', value: secret, masked: true }],
  })
  await until(() => job.times.firstOutputAt !== undefined)
  await kill(first)
  const kept = filesBelow(join(folder, 'state'))
  const second = start()
  await job.finished
  expect(await place(simpleJob())).toMatch(/^\//)
  second.process.kill('SIGQUIT')
  await second.ended
  expect(kept.length).toBeGreaterThan(2)
  const bytes = [...kept, ...filesBelow(join(folder, 'state'))].join()
  for (const word of [secret, Coordinator.token, 'PRIVATE KEY']) expect(bytes).not.toContain(word)
  expect(first.stderr + second.stderr).not.toContain(secret)
  expect(statSync(join(folder, '.runner_state_key')).mode & 0o777).toBe(0o600)
  // The coordinator may have taken a piece just before the kill, of which no journal tells: the next manager asks from
  // where it knows.
  expect(coordinator.violations.filter(({ rule }) => rule !== 'range_mismatch')).toEqual([])
})

/** What the files hold now. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
}

test('a job that was handed out to a manager which was killed before it knew goes back to the queue, and runs once', async () => {
  const first = start()
  await place(simpleJob())
  coordinator.inject({ on: 'request', delayMs: 60_000 })
  const job = simpleJob()
  await until(() => job.state === 'assigned')
  await kill(first)
  start()
  await place(job)
  expect(job.trace.text().match(/^at \//gm)).toHaveLength(1)
  expect(coordinator.violations).toEqual([])
})

test('a job that was taken by a manager which was killed before it heard that it may have it is known to the next one, and runs once', async () => {
  const first = start()
  await place(simpleJob())
  coordinator.inject({ on: 'accept', delayMs: 60_000 })
  const job = simpleJob()
  await until(() => job.state === 'running')
  await kill(first)
  start()
  await place(job)
  expect(job.trace.text().match(/^at \//gm)).toHaveLength(1)
  expect(coordinator.violations).toEqual([])
})

test('a state that cannot be read keeps the fleet as it is, and says so', async () => {
  const first = start()
  await place(simpleJob())
  await kill(first)
  // What passed on the output of its jobs ends with its connection.
  await until(() => machines().every(({ commandLine }) => !commandLine.includes('.detached')))
  const before = machines().length
  const file = join(folder, 'state', 'kept', 'state.db')
  rmSync(`${file}-wal`, { force: true })
  writeFileSync(file, 'garbage '.repeat(1000))
  const second = start()
  await until(() => second.stderr.includes('fleet cannot start'))
  expect(second.stderr).toContain(`state file ${file} cannot be read`)
  expect(machines().length).toBe(before + 1)
  expect(readFileSync(file, 'utf8')).toBe('garbage '.repeat(1000))
})

/** Every file below a directory, with when it was written. */
function filesAndTimes(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => `${file} ${statSync(file).mtimeMs}`)
    .toSorted()
}

test('plan sees the machines of a manager that is gone, and touches nothing; of one that runs it takes nothing', async () => {
  const first = start()
  const before = await place(simpleJob())
  await kill(first)
  const files = filesAndTimes(join(folder, 'state'))
  const gone = await runBin(['plan', '--config', join(folder, 'config.toml')])
  expect([gone.code, gone.stdout]).toEqual([0, expect.stringContaining('instances: 1 running')])
  expect(gone.stdout).toMatch(/^ {2}owner: fleet \S+ on \S+ \(owner \S+, epoch 1\) since /m)
  expect(filesAndTimes(join(folder, 'state'))).toEqual(files)
  const second = start()
  expect(await place(simpleJob())).toBe(before)
  const runs = await runBin(['plan', '--config', join(folder, 'config.toml')])
  expect([runs.code, runs.stdout]).toEqual([0, expect.stringContaining('instances: 1 running')])
  expect(await place(simpleJob())).toBe(before)
  expect(second.stderr).not.toContain('another process')
})

test("what GitLab Runner's own table asks to be kept is kept there: state, record and status are read by status and explain", async () => {
  const config = join(folder, 'config.toml')
  const kept = join(folder, 'kept')
  const text = readFileSync(config, 'utf8')
  writeFileSync(
    config,
    text
      .replace(/^state_dir = .*$/m, '')
      .replace(
        '[[runners.autoscaler.policy]]',
        `[runners.autoscaler.state_storage]\nenabled = true\ndir = "${kept}"\n[[runners.autoscaler.policy]]`,
      ),
  )
  const run = start()
  const job = simpleJob()
  const where = await place(job)
  run.process.kill('SIGQUIT')
  expect(await run.ended).toBe(0)
  expect(readdirSync(kept).toSorted()).toEqual(['kept', 'status.json'])
  const status = await runBin(['status', '--config', config])
  expect([status.code, status.stdout]).toEqual([0, expect.stringContaining('kept')])
  const explained = await runBin(['explain', '--config', config, '--job', `${job.id}`])
  expect([explained.code, explained.stdout]).toEqual([0, expect.stringContaining('kept:')])
  expect(where).toContain(folder)
})

test('a process that takes over serves its pages once those of the one before are gone, and is ready', async () => {
  const config = join(folder, 'config.toml')
  const port = await freePort()
  writeFileSync(config, `listen_address = "127.0.0.1:${port}"\n${readFileSync(config, 'utf8')}`)
  const first = start()
  const before = await place(simpleJob())
  const second = start('--takeover')
  expect(await first.ended).toBe(0)
  await until(() => second.stderr.includes('plugin initialized') && second.stderr.includes('status pages served'))
  const ready = await fetch(`http://127.0.0.1:${port}/health/ready`)
  expect(ready.status).toBe(200)
  expect(await place(simpleJob())).toBe(before)
  const status = (await (await fetch(`http://127.0.0.1:${port}/status`)).json()) as { pid: number }
  expect(status.pid).toBe(second.process.pid)
})

test('a process that finishes its jobs before it stops is taken over, too, and its machine stays', async () => {
  const first = start()
  const job = coordinator.enqueue({
    script: ['for number in $(seq 12); do echo "line-$number."; sleep 1; done'],
    marker: 'line-2.',
  })
  await until(() => job.times.firstOutputAt !== undefined)
  first.process.kill('SIGQUIT')
  await until(() => first.stderr.includes('runner stops'))
  const second = start('--takeover')
  expect(await first.ended).toBe(0)
  expect((await job.finished).state).toBe('success')
  expect(job.trace.text().match(/^line-\d+\.$/gm)).toEqual(
    Array.from({ length: 12 }, (_, index) => `line-${index + 1}.`),
  )
  expect(second.stderr).toContain('job of an earlier process goes on')
  expect(second.stderr).not.toContain('increasing instances')
})

test('--takeover is refused where a runner keeps no state, and without anybody to take over from it just starts', async () => {
  start('--takeover')
  await place(simpleJob())
  const config = join(folder, 'stateless.toml')
  writeFileSync(config, readFileSync(join(folder, 'config.toml'), 'utf8').replace(/^state_dir = .*$/m, ''))
  const refused = await runBin(['run', '--takeover', '--config', config])
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringMatching(/runners\[0\]: expected state_dir, which --takeover needs/),
  ])
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
