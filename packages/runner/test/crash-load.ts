import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import type { Random } from '@runner-core/fleeting'
import { Coordinator, type CoordinatorJob } from '@runner-core/runner/testing'
import { type BinRun, startBin } from './bin.ts'

export interface CrashLoadOptions {
  readonly jobs: number
  /** How often the manager is killed with SIGKILL. */
  readonly kills: number
  readonly random: Random
  /** Told after each kill. */
  readonly onKill?: (kills: number, jobsEnded: number) => void
}

/** What came of it; everything but `jobs`, `kills`, `unheard`, `log` and `seconds` is as it should be when it is zero or empty. */
export interface CrashLoadResult {
  readonly jobs: number
  readonly kills: number
  /** Jobs without a successful end that the coordinator knows. */
  readonly lost: readonly string[]
  /** Jobs whose script ran more than once, counted where it ran. */
  readonly ranTwice: readonly number[]
  /** Jobs whose trace lacks a line, or has one twice or out of order. */
  readonly wrongTraces: readonly string[]
  /** Rules of the job API that were broken. */
  readonly violations: readonly string[]
  /** What was said again, since the manager was killed before it heard that it had arrived: a piece of a trace, the end of a job. The coordinator's answer puts it right. */
  readonly unheard: number
  /** Most machines alive at the same time, over what is allowed. */
  readonly overMaximum: number
  /** Machines alive after a stop in order. */
  readonly leaked: number
  /** How the last manager ended, when that was not in order. */
  readonly badEnd: string
  /** What the last manager said. */
  readonly log: string
  readonly seconds: number
}

const unheardAnswers = new Set(['range_mismatch', 'request_after_end'])
const maxInstances = 5
const capacityPerInstance = 2
const linesPerJob = 15
/** How long the jobs may take once the manager is killed no more: what has not ended by then never will. */
const patienceMs = 120_000
/** A job taken by a manager that was killed before it said so goes back to the queue after this. */
const ackWindowMs = 2_000

/**
 * Runs jobs on plugin `local` while the manager is killed again and again, at random times and started again at once with the same state; then stops it in order.
 * Every job says where it runs that it does, so running twice is counted there and not where it is reported.
 */
export async function runCrashLoad({ jobs: jobCount, kills, random, onKill }: CrashLoadOptions): Promise<CrashLoadResult> {
  await using cleanUp = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-crash-'))
  cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
  const startedAt = performance.now()
  const coordinator = cleanUp.use(await Coordinator.start({ traceUpdateIntervalSeconds: 1, ackWindowMs, jobRequestsPerMinute: 1e6 }))
  const ledger = join(folder, 'ledger')
  mkdirSync(ledger)
  const jobs = Array.from({ length: jobCount }, (_, number) => coordinator.enqueue({ script: script(number, ledger, random) }))
  const config = join(folder, 'config.toml')
  writeFileSync(config, configText(coordinator.url, folder))
  const watch = watchMachines(folder)
  cleanUp.defer(() => watch.stop())

  let runner = start(config)
  cleanUp.defer(() => void runner.process.kill('SIGKILL'))
  for (let count = 1; count <= kills; count++) {
    await after(300 + random() * 2_500)
    runner.process.kill('SIGKILL')
    const end = await runner.ended
    if (end !== 'SIGKILL') throw new Error(`the manager ended by itself, with ${end}:\n${runner.stderr}`)
    onKill?.(count, jobs.filter(({ hasEnded }) => hasEnded).length)
    runner = start(config)
  }
  const early = runner.ended.then((code) => Promise.reject(new Error(`the manager ended by itself, with ${code}:\n${runner.stderr}`)))
  early.catch(() => {})
  await Promise.race([Promise.all(jobs.map(({ finished }) => finished)), early, after(patienceMs, undefined, { ref: false })])
  while (!runner.stderr.includes('plugin initialized')) await after(20)
  runner.process.kill(jobs.every(({ hasEnded }) => hasEnded) ? 'SIGQUIT' : 'SIGTERM')
  const code = await runner.ended

  const { violations } = coordinator
  return {
    jobs: jobCount,
    kills,
    lost: jobs.filter(({ state }) => state !== 'success').map(({ id, state, trace }) => `${id} ${state}: ${trace.text().slice(-500)}`),
    ranTwice: jobs.flatMap((_, number) => (runsOf(ledger, number) > 1 ? [number] : [])),
    wrongTraces: jobs.flatMap((job, number) => wrongTrace(job, number)),
    violations: violations.filter(({ rule }) => !unheardAnswers.has(rule)).map((violation) => JSON.stringify(violation)),
    unheard: violations.filter(({ rule }) => unheardAnswers.has(rule)).length,
    overMaximum: Math.max(0, watch.peak - maxInstances),
    leaked: watch.alive(),
    badEnd: code === 0 ? '' : `${code}: ${runner.stderr.slice(-2_000)}`,
    log: runner.stderr,
    seconds: Math.round(performance.now() - startedAt) / 1000,
  }
}

/** Says once for each run that it runs, then prints lines over one to three seconds. */
function script(number: number, ledger: string, random: Random): readonly string[] {
  const pause = ((1 + random() * 2) / linesPerJob).toFixed(3)
  return [
    `echo run >> "${ledger}/${number}"`,
    `for line in $(seq 1 ${linesPerJob}); do echo "job ${number}, line $line of ${linesPerJob}"; sleep ${pause}; done`,
  ]
}

function runsOf(ledger: string, number: number): number {
  const file = join(ledger, String(number))
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0
}

function wrongTrace(job: CoordinatorJob, number: number): readonly string[] {
  const lines = job.trace.text().match(/^job \d+, line \d+ of \d+$/gm) ?? []
  const wanted = Array.from({ length: linesPerJob }, (_, index) => `job ${number}, line ${index + 1} of ${linesPerJob}`)
  return lines.join('\n') === wanted.join('\n') ? [] : [`job ${number}: ${lines.join(' | ')}`]
}

function configText(url: string, folder: string): string {
  return `state_dir = "${join(folder, 'state')}"
state_key_file = "${join(folder, 'state.key')}"
concurrent = 10
shutdown_timeout = 60
[[runners]]
name = "crash"
url = "${url}"
token = "${Coordinator.token}"
executor = "instance"
request_concurrency = 4
[runners.autoscaler]
plugin = "local"
capacity_per_instance = ${capacityPerInstance}
max_instances = ${maxInstances}
max_use_count = 40
update_interval = "1s"
update_interval_when_expecting = "200ms"
delete_instances_on_shutdown = true
[[runners.autoscaler.policy]]
idle_count = 0
idle_time = "5s"
`
}

function start(config: string): BinRun {
  return startBin(['run', '--config', config])
}

/** Looks at the machines' processes all the time: no manager's word is taken for how many there are. */
function watchMachines(folder: string): { readonly peak: number; alive(): number; stop(): void } {
  let peak = 0
  const alive = (): number =>
    globSync('state/**/machine.json', { cwd: folder }).filter((file) => {
      try {
        const { pid } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { pid: number }
        process.kill(pid, 0)
        return true
      } catch {
        return false // gone, or not yet written whole
      }
    }).length
  const timer = setInterval(() => {
    peak = Math.max(peak, alive())
  }, 100)
  return {
    get peak() {
      return peak
    },
    alive,
    stop: () => clearInterval(timer),
  }
}
