// Ends that GitLab does not accept: they wait and are retried, by the next manager too, even while the cloud fails.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Coordinator, type CoordinatorJob } from '@runner-core/runner/testing'
import type { BinRun } from '@runner-core/testkit/manager/bin'
import { fleetConfig, kill, localMachines, Managers } from '@runner-core/testkit/manager/managers'
import { expect, test } from 'vitest'

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
}

/**
 * A job that has ended, and whose end the coordinator does not take; the manager, and how to start one whose group
 * cannot be read.
 */
async function untold(
  coordinator: Coordinator,
  managers: Managers,
): Promise<{ job: CoordinatorJob; manager: BinRun; breakGroup: () => void }> {
  const { folder } = managers
  const config = (machines: string): string =>
    fleetConfig({
      name: 'untold',
      url: coordinator.url,
      token: Coordinator.token,
      top: `log_format = "json"\nshutdown_timeout = 5\nstate_dir = "${join(folder, 'state')}"\nstate_key_file = "${join(folder, 'state.key')}"`,
      runner: 'job_status_final_update_retry_limit = 1',
      machines,
    })
  managers.configure(config(localMachines(folder)))
  const manager = managers.start()
  const job = coordinator.enqueue({ script: ['echo "the last line"'] })
  coordinator.inject({ on: 'finish', jobId: job.id, times: Number.POSITIVE_INFINITY, reply: { status: 500 } })
  await until(() => manager.stderr.includes('"reported":false'))
  const noDirectory = join(folder, 'no-directory')
  writeFileSync(noDirectory, '')
  const breakGroup = (): void =>
    managers.configure(config(`plugin = "local"\nplugin_config = { root_dir = "${noDirectory}" }`))
  return { job, manager, breakGroup }
}

test('the end of a job of a manager that was killed is told by the next, whose group cannot be read', async () => {
  await using coordinator = await Coordinator.start({ traceUpdateIntervalSeconds: 1 })
  await using managers = new Managers('untold')
  const { job, manager, breakGroup } = await untold(coordinator, managers)
  await kill(manager)
  breakGroup()
  const next = managers.start()
  await until(() => next.stderr.includes('no-directory'))
  expect(job.state).toBe('running')
  coordinator.clearFaults()
  await job.finished
  expect([job.state, job.trace.text()]).toEqual(['success', expect.stringContaining('the last line')])
  expect(next.stderr).not.toContain('plugin initialized')
  expect(coordinator.violations).toEqual([])
})

test('a manager with an end that is not told stops in time, says so, and leaves it to the next', async () => {
  await using coordinator = await Coordinator.start({ traceUpdateIntervalSeconds: 1 })
  await using managers = new Managers('untold')
  const { job, manager } = await untold(coordinator, managers)
  manager.process.kill('SIGQUIT')
  expect(await manager.ended, manager.stderr).not.toBe('SIGKILL')
  expect(manager.stderr).toMatch(/unreported|untold|not told|not reported/i)
  coordinator.clearFaults()
  const next = managers.start()
  await job.finished
  expect([job.state, job.trace.text()]).toEqual(['success', expect.stringContaining('the last line')])
  await until(() => next.stderr.includes('plugin initialized'))
  expect(coordinator.violations).toEqual([])
})
