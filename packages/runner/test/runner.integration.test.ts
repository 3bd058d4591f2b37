// The library: a runner in this process, against a coordinator that enforces the job API, with local instances.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GroupError, silentLogger, systemClock } from '@runner-core/fleeting'
import { MultiGroup } from '@runner-core/fleeting/multi'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { MemoryGroup, simpleShell } from '@runner-core/fleeting/testing'
import { parseConfig, Runner, type RunnerOptions } from '@runner-core/runner'
import { Coordinator, type CoordinatorJob } from '@runner-core/runner/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'

let coordinator: Coordinator
let folder: string
let runner: Runner | undefined
let log: { readonly level: string; readonly message: string; readonly fields: Record<string, unknown> }[]

beforeEach(async () => {
  coordinator = await Coordinator.start({ tokens: [Coordinator.token, 'glrt-second'], longPollMs: 600_000 })
  folder = mkdtempSync(join(tmpdir(), 'runner-core-lib-'))
  log = []
})

afterEach(async () => {
  await runner?.stop('fast')
  runner = undefined
  await coordinator.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Entry {
  readonly name?: string
  readonly token?: string
  readonly plugin?: string
  readonly keys?: string
  readonly autoscaler?: string
}

const entry = ({
  name = 'one',
  token = Coordinator.token,
  plugin = 'local',
  keys = '',
  autoscaler = 'capacity_per_instance = 4',
}: Entry): string => `
[[runners]]
name = "${name}"
url = "${coordinator.url}"
token = "${token}"
executor = "instance"
${keys}
[runners.autoscaler]
plugin = "${plugin}"
max_instances = 2
update_interval_when_expecting = "100ms"
${plugin === 'local' ? `plugin_config = { root_dir = "${join(folder, name)}" }` : ''}
${autoscaler}
`

async function start(entries: readonly Entry[], top = '', options: Partial<RunnerOptions> = {}): Promise<Runner> {
  const { settings } = parseConfig(
    `check_interval = 0.2\nlisten_address = "127.0.0.1:0"\n${top}${entries.map(entry).join('')}`,
  )
  const at =
    (level: string) =>
    (fields: object, message: string): void => {
      log.push({ level, message, fields: fields as Record<string, unknown> })
    }
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  runner = await Runner.start({ settings, logger, ...options })
  return runner
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

const states = (jobs: readonly CoordinatorJob[]): readonly string[] =>
  jobs.map(({ state, failureReason }) => [state, ...(failureReason ? [failureReason] : [])].join(' '))
const page = async (path: string): Promise<{ status: number; text: string }> => {
  const response = await fetch(`http://127.0.0.1:${runner!.statusPort}${path}`)
  return { status: response.status, text: await response.text() }
}
/** The value of a metric, all its series added up. */
async function metric(name: string, labels = ''): Promise<number> {
  const lines = (await page('/metrics')).text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

test('jobs of every kind run to their end; metrics count them; at rest the fleet goes to zero', async () => {
  await start([{ autoscaler: 'capacity_per_instance = 4\n[[runners.autoscaler.policy]]\nidle_time = "1s"' }])
  const good = Array.from({ length: 20 }, (_, number) => coordinator.enqueue({ script: [`echo number ${number}`] }))
  const bad = coordinator.enqueue({ script: ['exit 3'] })
  const canceled = coordinator.enqueue({ script: ['echo be""gun; sleep 300'], marker: 'begun' })
  await until(() => canceled.times.firstOutputAt !== undefined)
  canceled.cancel()
  await Promise.all([...good, bad, canceled].map(({ finished }) => finished))
  expect(new Set(states(good))).toEqual(new Set(['success']))
  expect([bad.failureReason, bad.exitCode, canceled.state]).toEqual(['script_failure', 3, 'canceled'])
  await until(async () => (await metric('gitlab_runner_jobs')) === 0)
  expect(await metric('gitlab_runner_jobs_total')).toBe(22)
  expect(await metric('gitlab_runner_failed_jobs_total', 'failure_reason="script_failure"')).toBe(1)
  expect(await metric('gitlab_runner_job_duration_seconds_count')).toBe(22)
  expect(await metric('fleeting_taskscaler_task_operations_total', 'operation="release"')).toBe(22)
  await until(async () => (await metric('fleeting_provisioner_instances')) === 0)
  expect(await metric('fleeting_taskscaler_tasks', 'state="acquired"')).toBe(0)
  expect(coordinator.violations).toEqual([])
})

test('a fleet that does not start does not stop the others: it is tried again, and shown', async () => {
  let isBroken = true
  const broken = (): MemoryGroup => {
    const group = new MemoryGroup({ clock: systemClock, shell: simpleShell })
    if (isBroken) group.fail('init', new GroupError('auth', 'no permission to read the group'))
    return group
  }
  const findPlugin: RunnerOptions['findPlugin'] = async (reference) =>
    reference === 'broken' ? { createInstanceGroup: broken } : loadPlugin(reference)
  await start(
    [
      { name: 'one', plugin: 'broken' },
      { name: 'two', token: 'glrt-second' },
    ],
    '',
    { findPlugin },
  )
  const job = coordinator.enqueue({ script: ['true'], runnerToken: 'glrt-second' })
  await job.finished
  expect(job.state).toBe('success')
  const ready = await page('/health/ready')
  expect(ready.status).toBe(503)
  expect(JSON.parse(ready.text).runners).toMatchObject([
    { name: 'one', problems: ['the fleet does not start: no permission to read the group'] },
    { name: 'two', problems: [] },
  ])
  expect((await page('/health/live')).status).toBe(200)
  isBroken = false
  await until(async () => (await page('/health/ready')).status === 200)
  expect(
    log
      .filter(({ message }) => message === 'fleet does not start, trying again')
      .map(({ fields }) => fields['runner_name']),
  ).toContain('one')
})

test('two runners whose groups turn out to be one: the second one does not start, and is not tried again', async () => {
  const groups: MemoryGroup[] = []
  const createInstanceGroup = (): MemoryGroup => {
    groups.push(new MemoryGroup({ clock: systemClock, id: 'memory/same' }))
    return groups.at(-1)!
  }
  const plugin = { plugin: 'memory', autoscaler: 'plugin_config = { which = "NAME" }' }
  await start([plugin, { name: 'two', ...plugin, autoscaler: 'plugin_config = { which = "other" }' }], '', {
    findPlugin: async () => ({ createInstanceGroup }),
  })
  await until(async () => (await page('/health/ready')).text.includes('got memory/same, which runner'))
  await runner?.stop('fast')
  expect(groups.map(({ isShutDown }) => isShutDown)).toEqual([true, true])
  expect(log.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
    'fleet cannot start: it stays as it is until this is mended',
  ])
})

test('one of several groups that is out of reach is named as a warning, and leaves the runner ready', async () => {
  const down: { b?: string } = { b: 'plugin moon ended (signal SIGKILL)' }
  const createInstanceGroup = (): MultiGroup => {
    const member = (name: 'a' | 'b') => ({
      name,
      create: () =>
        Object.assign(
          new MemoryGroup({ clock: systemClock, id: name, shell: simpleShell }),
          name === 'b' && { trouble: () => down.b },
        ),
    })
    return new MultiGroup({
      id: 'multi/test',
      members: [member('a'), member('b')],
      clock: systemClock,
      random: Math.random,
      logger: silentLogger,
    })
  }
  await start([{ plugin: 'several' }], '', { findPlugin: async () => ({ createInstanceGroup }) })
  await until(async () => (await page('/health/ready')).status === 200)
  const shown = {
    name: 'one',
    problems: [],
    warnings: ['part of the group does not work: b: plugin moon ended (signal SIGKILL)'],
  }
  for (const path of ['/health/ready', '/status'])
    expect(JSON.parse((await page(path)).text).runners).toMatchObject([shown])
  delete down.b
  expect(JSON.parse((await page('/health/ready')).text).runners).toMatchObject([{ problems: [], warnings: [] }])
})

test('a token that GitLab refuses makes the runner unready from the first refusal on, and pauses it after the third', async () => {
  await start([{ token: 'glrt-wrong' }])
  await until(async () => coordinator.count('request', 403) > 0)
  await until(async () => (await page('/health/ready')).text.includes("GitLab refuses the runner's token"))
  expect((await page('/health/ready')).status).toBe(503)
  const whatToDo = 'correct token in config.toml and restart, or allow the runner on the server'
  const paused = `GitLab refuses the runner's token, paused: ${whatToDo}`
  await until(async () => log.some(({ message }) => message === paused))
  expect(coordinator.count('request', 403)).toBe(3)
  expect(JSON.parse((await page('/health/ready')).text).runners).toMatchObject([
    {
      name: 'one',
      problems: [
        // Within minutes, not an hour: a token may be mended on the server.
        expect.stringMatching(
          new RegExp(
            `^GitLab refuses the runner's token, next request in (?:300|2\\d\\d) s: ${whatToDo}: request for a job to ${coordinator.url}: 403 Forbidden`,
          ),
        ),
      ],
    },
  ])
})

test('a coordinator that does not answer is named by /health/ready, and leaves the runner ready', async () => {
  coordinator.inject({ on: 'request', times: Number.POSITIVE_INFINITY, reply: { status: 500 } })
  await start([{}])
  await until(async () => (await page('/health/ready')).text.includes('GitLab has given no usable answer for'))
  const ready = await page('/health/ready')
  expect(ready.status).toBe(200)
  expect(JSON.parse(ready.text).runners).toMatchObject([
    {
      name: 'one',
      problems: [],
      warnings: [expect.stringMatching(/^GitLab has given no usable answer for \d+ s: .*500/)],
    },
  ])
})

test('no page shows a secret that an error holds', async () => {
  const findPlugin: RunnerOptions['findPlugin'] = () => Promise.reject(new Error(`no access with ${Coordinator.token}`))
  await start([{}], '', { findPlugin })
  await until(async () => (await page('/health/ready')).text.includes('no access'))
  expect((await page('/health/ready')).text).not.toContain(Coordinator.token)
})

test('a job that somebody else has meanwhile is dropped without a word, and its slot goes on', async () => {
  await start([{ autoscaler: 'capacity_per_instance = 1' }])
  coordinator.inject({ on: 'accept', reply: { status: 409 } })
  const dropped = coordinator.enqueue({ script: ['echo never'] })
  const next = coordinator.enqueue({ script: ['true'] })
  await next.finished
  expect([next.state, dropped.state, dropped.trace.size]).toEqual(['success', 'assigned', 0])
  expect(
    log
      .filter(({ message }) => message === 'Removed job from processing list')
      .map(({ fields }) => fields['job_status']),
  ).toContain('gone')
})

test('a job that is canceled while it waits for its machine leaves nothing behind', async () => {
  await start([{ autoscaler: 'instance_ready_command = "sleep 2"' }])
  const job = coordinator.enqueue({ script: ['echo never'] })
  await until(() => job.state === 'running')
  job.cancel('at once')
  await until(async () => (await metric('gitlab_runner_jobs')) === 0)
  expect(await metric('fleeting_taskscaler_tasks', 'state="pending"')).toBe(0)
  const next = coordinator.enqueue({ script: ['true'] })
  await next.finished
  expect(next.state).toBe('success')
})

test("one runner's parked request does not keep another from its jobs, however few may run at once", async () => {
  await start([{}, { name: 'two', token: 'glrt-second' }], 'concurrent = 1\n')
  for (const runnerToken of ['glrt-second', Coordinator.token, 'glrt-second', 'glrt-second', Coordinator.token]) {
    // Both have asked since the last job, and one of them would be parked by now, if it might.
    const before = coordinator.count('request')
    await until(() => coordinator.count('request') > before + 4 || coordinator.parkedRequests > 0)
    const job = coordinator.enqueue({ script: ['true'], runnerToken })
    await job.finished
    expect(job.state).toBe('success')
  }
})

test.each([
  [true, 0],
  [false, 2],
])('instances at the end, with delete_instances_on_shutdown = %s: %d left', async (deletes, left) => {
  const group = new MemoryGroup({ clock: systemClock, shell: simpleShell })
  const autoscaler = `delete_instances_on_shutdown = ${deletes}\n[[runners.autoscaler.policy]]\nidle_count = 2`
  await start([{ plugin: 'memory', autoscaler }], '', {
    findPlugin: async () => ({ createInstanceGroup: () => group }),
  })
  await until(async () => (await metric('fleeting_taskscaler_tasks', 'state="idle"')) === 2)
  expect(await runner!.stop()).toEqual({ unreportedJobs: 0, remainingInstances: [] })
  expect((await group.list(new AbortController().signal)).length).toBe(left)
  expect(group.isShutDown).toBe(true)
})

test('limit and concurrent hold', async () => {
  await start([{ keys: 'limit = 2' }], 'concurrent = 3\n')
  const jobs = Array.from({ length: 5 }, () => coordinator.enqueue({ script: ['sleep 0.3'] }))
  let most = 0
  const timer = setInterval(() => {
    most = Math.max(most, jobs.filter(({ state }) => state === 'running' || state === 'assigned').length)
  }, 10)
  await Promise.all(jobs.map(({ finished }) => finished))
  clearInterval(timer)
  expect(most).toBe(2)
})

test('jobs with wrong types are given back as failed with every problem, and the runner goes on', async () => {
  await start([{}])
  const wrong = [
    { variables: 'none' },
    { steps: [{ script: 7 }] },
    { git_info: 5 },
    ...Array<Record<string, unknown>>(12).fill({ features: 'all' }),
  ].map((override) => coordinator.enqueue({ script: ['true'], override }))
  const next = coordinator.enqueue({ script: ['true'] })
  await Promise.all([...wrong, next].map(({ finished }) => finished))
  expect(new Set(states(wrong))).toEqual(new Set(['failed runner_system_failure']))
  expect(next.state).toBe('success')
  expect(wrong[0]?.trace.text()).toContain('variables')
})

test('a wall clock that jumps by days in both directions disturbs no job', async () => {
  let offsetMs = 0
  await start([{}], '', { clock: { ...systemClock, wallTime: () => Date.now() + offsetMs } })
  const jobs = Array.from({ length: 6 }, () => coordinator.enqueue({ script: ['sleep 0.1'], timeoutSeconds: 60 }))
  for (const job of jobs) {
    offsetMs = offsetMs > 0 ? -86_400_000 * 3 : 86_400_000 * 40
    await job.finished
  }
  expect(new Set(states(jobs))).toEqual(new Set(['success']))
})

test('a port that is taken: nothing starts', async () => {
  await start([{}])
  const { settings } = parseConfig(`listen_address = "127.0.0.1:${runner!.statusPort}"\n${entry({ name: 'two' })}`)
  await expect(Runner.start({ settings })).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
