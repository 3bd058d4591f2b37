import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { Coordinator, type CoordinatorJob, listProcesses } from '@runner-core/runner/testing'
import { type BinRun, startBin } from '@runner-core/testkit/manager/bin'

export interface ResumedStreams {
  /** From the start of the second manager's process until it said that its fleet is there. */
  readonly backMs: number
  /** From then until new bytes of a job's log were at the coordinator, of each job, shortest first. */
  readonly resumedMs: readonly number[]
}

/** How finely times are taken. */
const lookMs = 5

/**
 * Kills a manager under jobs that print all the time, on a real machine of plugin `local`, starts another one on its
 * state, and watches from the coordinator when their logs go on.
 */
export async function measureResumedStreams(jobCount: number): Promise<ResumedStreams> {
  await using cleanUp = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-resumed-'))
  cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
  const coordinator = cleanUp.use(await Coordinator.start())
  cleanUp.defer(() => endMachines(folder))
  const config = join(folder, 'config.toml')
  writeFileSync(config, configText(coordinator.url, folder, jobCount))
  const start = (): BinRun => {
    const run = startBin(['run', '--config', config])
    cleanUp.defer(async () => {
      run.process.kill('SIGKILL')
      await run.ended
    })
    return run
  }

  const first = start()
  const script = [`echo begun; while [ ! -e "${join(folder, 'enough')}" ]; do date; sleep 0.05; done`]
  const jobs = Array.from({ length: jobCount }, () => coordinator.enqueue({ script }))
  await until(first, () => jobs.every(({ trace }) => trace.text().split('\n').length > 20))
  first.process.kill('SIGKILL')
  await first.ended

  const known = new Map(jobs.map((job) => [job, job.trace.size]))
  const startedAt = performance.now()
  const second = start()
  let backAt: number | undefined
  const resumedAt = new Map<CoordinatorJob, number>()
  await until(second, () => {
    const now = performance.now()
    if (second.stderr.includes('plugin initialized')) backAt ??= now
    for (const [job, size] of known) if (job.trace.size > size && !resumedAt.has(job)) resumedAt.set(job, now)
    return backAt !== undefined && resumedAt.size === jobCount
  })
  writeFileSync(join(folder, 'enough'), '')
  await Promise.all(jobs.map(({ finished }) => finished))
  const states = jobs.filter(({ state }) => state !== 'success').map(({ id, state }) => `${id} ${state}`)
  if (states.length > 0) throw new Error(`not every job ended well: ${states.join(', ')}`)
  const resumedMs = Array.from(resumedAt.values(), (at) => Math.round(at - backAt!)).toSorted((a, b) => a - b)
  return { backMs: Math.round(backAt! - startedAt), resumedMs }
}

async function until(run: BinRun, holds: () => boolean): Promise<void> {
  while (!holds()) {
    if (run.process.exitCode !== null) throw new Error(`the manager ended by itself:\n${run.stderr}`)
    await after(lookMs)
  }
}

function configText(url: string, folder: string, jobCount: number): string {
  return `state_dir = "${join(folder, 'state')}"
concurrent = ${jobCount}
[[runners]]
name = "resumed"
url = "${url}"
token = "${Coordinator.token}"
executor = "instance"
request_concurrency = ${jobCount}
[runners.autoscaler]
plugin = "local"
capacity_per_instance = ${jobCount}
max_instances = 1
plugin_config = { root_dir = "${join(folder, 'instances')}" }
`
}

function endMachines(folder: string): void {
  for (const { pid, environment, commandLine } of listProcesses()) {
    if (!`${environment} ${commandLine}`.includes(folder)) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
}
