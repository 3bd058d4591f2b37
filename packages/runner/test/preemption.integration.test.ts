// Whole jobs on machines that the cloud takes away: the plugin `local`, with a cloud's habits.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CreateInstanceGroup, InstanceGroup } from '@runner-core/fleeting'
import { loadPlugin } from '@runner-core/fleeting/plugins'
import { parseConfig, Runner } from '@runner-core/runner'
import { Coordinator, type JobSpec } from '@runner-core/runner/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'

let coordinator: Coordinator
let folder: string
let runner: Runner
let machines: InstanceGroup
let announce: (id: string, atWallTime: number | undefined) => void
const { signal } = new AbortController()

beforeEach(async () => {
  coordinator = await Coordinator.start()
  folder = mkdtempSync(join(tmpdir(), 'preemption-'))
  const { settings } = parseConfig(`check_interval = 0.2
[[runners]]
name = "one"
url = "${coordinator.url}"
token = "${Coordinator.token}"
executor = "instance"
shell = "sh"
[runners.autoscaler]
plugin = "spot"
max_instances = 2
update_interval_when_expecting = "100ms"
plugin_config = { root_dir = "${folder}" }
[[runners.autoscaler.policy]]
idle_time = "10m"
`)
  const { createInstanceGroup } = await loadPlugin('local')
  const spot: CreateInstanceGroup = (config, context) => {
    machines = createInstanceGroup(config, context)
    const group = machines
    return {
      init: async (limit) => ({ ...(await group.init(limit)), capabilities: ['interruption_notice'] }),
      list: (limit) => group.list(limit),
      increase: (request, limit) => group.increase(request, limit),
      decrease: (ids, limit) => group.decrease(ids, limit),
      connectInfo: (id, limit) => group.connectInfo(id, limit),
      shutdown: () => group.shutdown(),
      onInterruption(listener) {
        announce = listener
        return () => {}
      },
    }
  }
  runner = await Runner.start({ settings, findPlugin: async () => ({ createInstanceGroup: spot }) })
})
afterEach(async () => {
  await runner.stop('fast')
  expect(coordinator.violations).toEqual([])
  await coordinator.close()
  rmSync(folder, { recursive: true, force: true })
})

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

const ids = async (): Promise<readonly string[]> => (await machines.list(signal)).map(({ id }) => id)
const onlyMachine = async (): Promise<string> => {
  await until(async () => (await machines.list(signal)).some(({ state }) => state === 'running'))
  return (await ids())[0]!
}
const machineOf = (trace: string): string | undefined => /Using instance (\S+),/.exec(trace)?.[1]

/** A job whose script runs now, and where. */
async function running(
  spec: Partial<JobSpec>,
): Promise<{ readonly job: ReturnType<Coordinator['enqueue']>; readonly id: string }> {
  const job = coordinator.enqueue({ script: ['echo be""gun', 'sleep 1000'], ...spec })
  await until(() => /begun/.test(job.trace.text()))
  return { job, id: machineOf(job.trace.text())! }
}

test('with a notice: a job that is done in time succeeds, the next one runs elsewhere, and the machine goes', async () => {
  const { job, id } = await running({ script: ['echo be""gun', `until [ -e ${folder}/go ]; do sleep 0.05; done`] })
  announce(id, Date.now() + 120_000)
  const next = coordinator.enqueue({ script: [`touch ${folder}/go`] })
  await until(() => job.state === 'success' && next.state === 'success')
  expect(machineOf(next.trace.text())).not.toBe(id)
  await until(async () => !(await ids()).includes(id))
  const kinds = (): string[] =>
    runner
      .decisions()[0]!
      .decisions.filter(({ instance }) => instance === id)
      .map(({ kind }) => kind)
  await until(() => kinds().includes('gone'))
  expect(kinds()).toEqual(['seen', 'ready', 'interrupted', 'drain', 'remove', 'gone'])
})

test.each([
  ['one that knows the word', undefined, 'runner_interrupted'],
  ['one that does not', [], 'runner_system_failure'],
])(
  'with a notice that is too short: the job is ended and reported before its machine goes, to a server: %s',
  async (_name, failureReasons, reason) => {
    const { job, id } = await running({ ...(failureReasons && { failureReasons }) })
    announce(id, Date.now() + 2_000)
    await until(() => job.state === 'failed')
    expect(job.failureReason).toBe(reason)
    expect(job.trace.text()).toContain(`the cloud reclaims instance ${id}`)
    await until(async () => !(await ids()).includes(id))
  },
)

test('announced without a time, and gone: interrupted too, not the script’s failure', async () => {
  const { job, id } = await running({})
  announce(id, undefined)
  await machines.decrease([id], signal)
  await until(() => job.state === 'failed')
  expect(job.failureReason).toBe('runner_interrupted')
})

test('gone without a word: a system failure, which GitLab may retry', async () => {
  const { job, id } = await running({})
  await machines.decrease([id], signal)
  await until(() => job.state === 'failed')
  expect(job.failureReason).toBe('runner_system_failure')
})

test('gone before the job’s first script has begun: the job runs on another machine, and nobody sees a failure', async () => {
  const warm = coordinator.enqueue({ script: ['true'] })
  await until(() => warm.state === 'success')
  const id = await onlyMachine()
  // The runner has a place for the job, and waits until it is told that the job is its own.
  coordinator.inject({ on: 'accept', delayMs: 3_000 })
  const job = coordinator.enqueue({ script: [`echo once >>${folder}/runs`] })
  await until(() => runner.status().runners[0]!.running!.jobs.some(({ instance }) => instance === id))
  await machines.decrease([id], signal)
  await until(() => job.state === 'success')
  expect(readFileSync(`${folder}/runs`, 'utf8')).toBe('once\n')
  const trace = job.trace.text()
  expect(trace).toContain('Nothing of the job has started: moving to another slot.')
  expect([...trace.matchAll(/Using instance (\S+),/g)].map(([, machine]) => machine)).toEqual([
    id,
    expect.not.stringContaining(id),
  ])
})
