import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { type Random, systemClock } from '@runner-core/fleeting'
import { Coordinator, type CoordinatorJob, type Violation } from '@runner-core/runner/testing'
import { SmallDisk } from '@runner-core/testkit/machine/small-disk'
import { startLink } from '../http/severable-link.ts'
import { bin } from '../manager/bin.ts'
import { ledgerScript, linesPerJob, overlaps, ranTwice } from './ledger.ts'
import { type LoadMachines, type MachineKind, startMachines } from './machines.ts'
import { diskTroubles, passingTrouble, type TroubleKind, type TroubleTargets } from './trouble.ts'

export interface CrashLoadOptions {
  readonly jobs: number
  /** How often the manager is killed with SIGKILL. */
  readonly kills: number
  readonly machines: MachineKind
  /**
   * What goes wrong besides: about every second kill comes with one of them. The kinds of disks need Linux and root.
   */
  readonly troubles: readonly TroubleKind[]
  /** Whether the coordinator is gone for a whole minute once. */
  readonly longOutage?: boolean
  readonly random: Random
  /** Told after each kill. */
  readonly onKill?: (kills: number, jobsEnded: number, troubles: string) => void
}

/**
 * What came of it; everything but `jobs`, `kills`, `troubled`, `unheard`, `log` and `seconds` is as it should be when
 * it is zero or empty.
 */
export interface CrashLoadResult {
  readonly jobs: number
  readonly kills: number
  /** How often each kind of trouble came. */
  readonly troubled: Readonly<Record<string, number>>
  /**
   * Jobs without a successful end that the coordinator knows. Where a machine's disk was full meanwhile: without any
   * end.
   */
  readonly lost: readonly string[]
  /** Jobs whose script ran more than once, counted where it ran. */
  readonly ranTwice: readonly number[]
  /** Two scripts at the same time in one slot. */
  readonly overlaps: readonly string[]
  /** Jobs whose trace lacks a line, or has one twice or out of order. */
  readonly wrongTraces: readonly string[]
  /** Rules of the job API that were broken. */
  readonly violations: readonly string[]
  /**
   * What was said again, since the manager was killed before it heard that it had arrived: a piece of a trace, the end
   * of a job. The coordinator's answer puts it right.
   */
  readonly unheard: number
  /** Most machines alive at the same time, over what is allowed. */
  readonly overMaximum: number
  /** Machines alive after a stop in order. */
  readonly leaked: number
  /** How a manager ended by itself. */
  readonly badEnds: readonly string[]
  /** What the last manager said. */
  readonly log: string
  readonly seconds: number
}

const unheardAnswers = new Set(['range_mismatch', 'request_after_end'])
/** How long the jobs may take once the manager is killed no more: what has not ended by then never will. */
const patienceMs = 180_000
/** How long the last manager may take to stop. */
const stopPatienceMs = 120_000
/** A job taken by a manager that was killed before it said so goes back to the queue after this. */
const ackWindowMs = 2_000
const diskMegabytes: Readonly<Partial<Record<TroubleKind, number>>> = {
  'state-disk': 3,
  'log-disk': 3,
  'machine-disk': 64,
}

/**
 * Runs jobs while the manager is killed again and again, at random times, and started again at once with the same
 * state, as a supervisor does; lets the coordinator, the disks and the manager itself fail besides; then stops it in
 * order. Every job says where it runs that it does, so running twice is counted there and not where it is reported.
 */
export async function runCrashLoad(options: CrashLoadOptions): Promise<CrashLoadResult> {
  const { jobs: jobCount, kills, machines: kind, troubles, longOutage = false, random, onKill } = options
  await using cleanUp = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-crash-'))
  cleanUp.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  const startedAt = performance.now()
  const coordinator = cleanUp.use(
    await Coordinator.start({ traceUpdateIntervalSeconds: 1, ackWindowMs, jobRequestsPerMinute: 1e6 }),
  )
  const link = await startLink(Number(new URL(coordinator.url).port))
  cleanUp.defer(() => link.close())
  const disks: Partial<Record<TroubleKind, SmallDisk>> = {}
  for (const trouble of troubles.filter((each) => diskTroubles.includes(each)))
    disks[trouble] = cleanUp.use(new SmallDisk(join(folder, trouble), `${diskMegabytes[trouble]}m`))
  const directoryOf = (trouble: TroubleKind): string => disks[trouble]?.directory ?? folder
  const machines = cleanUp.use(await startMachines(kind, folder, join(directoryOf('machine-disk'), 'machines')))
  const watch = watchMachines(machines)
  cleanUp.defer(() => watch.stop())
  const jobs = Array.from({ length: jobCount }, (_, number) =>
    coordinator.enqueue({ script: ledgerScript(number, machines.ledger, random) }),
  )
  const config = join(folder, 'config.toml')
  writeFileSync(
    config,
    configText(`http://127.0.0.1:${link.port}`, join(directoryOf('state-disk'), 'state'), folder, machines),
  )
  const fullDisks = new FullDisks()
  const targets: TroubleTargets = {
    coordinator,
    link,
    disks,
    diskChanged: (trouble, isFull) => fullDisks.note(trouble, isFull),
  }
  const supervisor = new Supervisor(config, directoryOf('log-disk'))
  cleanUp.defer(() => supervisor.end())

  const troubled: Record<string, number> = {}
  const passing = new Map<TroubleKind, Promise<void>>()
  supervisor.start()
  for (let count = 1; count <= kills; count++) {
    // Early, while it reads what was left, or later, under jobs that run.
    if (random() < 0.6) await supervisor.isUp()
    await after(300 + random() * 2_500)
    const chosen = troubles.length > 0 && random() < 0.5 ? troubles[Math.floor(random() * troubles.length)]! : 'none'
    troubled[chosen] = (troubled[chosen] ?? 0) + 1
    if (chosen === 'stall') await supervisor.stall(random() * 12_000)
    else if (chosen === 'take-over') await supervisor.takeOver(500 + random() * 4_000)
    else if (chosen !== 'none' && !passing.has(chosen)) {
      passing.set(
        chosen,
        passingTrouble(chosen, targets, random, after).finally(() => passing.delete(chosen)),
      )
      await after(random() * 2_000)
    }
    if (longOutage && count === Math.ceil(kills / 2)) link.cut(60_000)
    await supervisor.kill()
    onKill?.(count, jobs.filter(({ hasEnded }) => hasEnded).length, chosen)
    supervisor.start()
  }
  await Promise.all(passing.values())
  coordinator.clearFaults()
  await Promise.race([Promise.all(jobs.map(({ finished }) => finished)), after(patienceMs, undefined, { ref: false })])
  machines.collect()
  await supervisor.stop(jobs.every(({ hasEnded }) => hasEnded) ? 'SIGQUIT' : 'SIGTERM')

  // What a full machine lost of a job is lost, and it may fail for it.
  const isExcused = (job: CoordinatorJob): boolean => fullDisks.touched(job, 'machine-disk')
  // What was said in its log and could not be kept may be said in other words after a kill, and what a full machine
  // did not keep cannot be read again: the log is then sent anew, or the coordinator's
  // copy is kept, which cannot be compared where it is longer.
  const isSaidAnew = ({ rule, jobId }: Violation): boolean =>
    (rule === 'checksum_mismatch' || rule === 'checksum_absent') &&
    jobs.some(
      (job) => job.id === jobId && (fullDisks.touched(job, 'state-disk') || fullDisks.touched(job, 'machine-disk')),
    )
  const { violations } = coordinator
  const entries = machines.entries()
  return {
    jobs: jobCount,
    kills,
    troubled,
    lost: jobs
      .filter((job) => !(job.state === 'success' || (job.hasEnded && isExcused(job))))
      .map(({ id, state, failureReason, trace }) => `${id} ${state} ${failureReason}: ${trace.text().slice(-500)}`),
    ranTwice: ranTwice(entries),
    overlaps: overlaps(entries, (number) => isExcused(jobs[number]!)),
    wrongTraces: jobs.flatMap((job, number) => (isExcused(job) ? [] : wrongTrace(job, number))),
    violations: violations
      .filter((violation) => !unheardAnswers.has(violation.rule) && !isSaidAnew(violation))
      .map((violation) => JSON.stringify(violation)),
    unheard: violations.filter(({ rule }) => unheardAnswers.has(rule)).length,
    overMaximum: Math.max(0, watch.peak - machines.maxInstances),
    leaked: kind === 'sshd' ? 0 : (machines.alive() ?? 0),
    badEnds: supervisor.badEnds,
    log: supervisor.log,
    seconds: Math.round(performance.now() - startedAt) / 1000,
  }
}

/** Starts managers, one at a time but for take-overs, and does to them what happens to processes. */
class Supervisor {
  readonly badEnds: string[] = []
  readonly #config: string
  readonly #logDirectory: string
  readonly #logs: string[] = []
  #manager: Manager | undefined
  #started = 0

  constructor(config: string, logDirectory: string) {
    this.#config = config
    this.#logDirectory = logDirectory
  }

  /** What the manager that runs, or ran last, said, as far as its disk had room. */
  get log(): string {
    return this.#logs.length === 0 ? '' : readFileSync(this.#logs.at(-1)!, 'utf8')
  }

  start(...options: string[]): void {
    const manager = this.#spawn(options)
    this.#manager = manager
    void manager.ended.then((how) => this.#endedByItself(manager, how))
  }

  /** Resolves once the manager has its fleet, or has had a minute for it. */
  async isUp(): Promise<void> {
    const patience = AbortSignal.timeout(60_000)
    while (!this.log.includes('plugin initialized') && !patience.aborted) await after(50)
  }

  async kill(): Promise<void> {
    const manager = this.#manager!
    manager.isOurs = true
    manager.process.kill('SIGKILL')
    await manager.ended
  }

  async stall(ms: number): Promise<void> {
    const manager = this.#manager!
    manager.process.kill('SIGSTOP')
    await after(ms)
    manager.process.kill('SIGCONT')
  }

  /** Another manager asks for the fleet while this one runs, which then ends by itself. */
  async takeOver(ms: number): Promise<void> {
    const before = this.#manager!
    before.isOurs = true
    this.start('--takeover')
    await after(ms)
    before.process.kill('SIGKILL')
    await before.ended
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    const manager = this.#manager!
    await this.isUp()
    manager.isOurs = true
    manager.process.kill(signal)
    const how = await Promise.race([manager.ended, after(stopPatienceMs, 'nothing: it did not stop', { ref: false })])
    if (how !== 0) this.badEnds.push(`the last one, after ${signal}, with ${how}: ${this.log.slice(-2_000)}`)
  }

  async end(): Promise<void> {
    if (this.#manager !== undefined) await this.kill()
  }

  #endedByItself(manager: Manager, how: number | string): void {
    if (manager.isOurs) return
    this.badEnds.push(`with ${how}: ${this.log.slice(-2_000)}`)
    if (this.#manager === manager) this.start()
  }

  #spawn(options: readonly string[]): Manager {
    this.#started += 1
    const file = join(this.#logDirectory, `manager-${this.#started}.log`)
    // Two are kept: the disk may be small.
    if (this.#logs.length === 2) rmSync(this.#logs.shift()!, { force: true })
    this.#logs.push(file)
    const log = openSync(file, 'a')
    const child = spawn(process.execPath, [bin, 'run', '--config', this.#config, ...options], {
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    const ended = new Promise<number | string>((resolve) =>
      child.on('close', (code, signal) => resolve(code ?? String(signal))),
    )
    return { process: child, ended, isOurs: false }
  }
}

interface Manager {
  readonly process: ChildProcess
  readonly ended: Promise<number | string>
  /** Whether its end is our doing. */
  isOurs: boolean
}

/** When which disk was full. */
class FullDisks {
  readonly #times: { readonly kind: TroubleKind; readonly from: number; to: number }[] = []

  note(kind: TroubleKind, isFull: boolean): void {
    const now = systemClock.now()
    if (isFull) this.#times.push({ kind, from: now, to: Infinity })
    else this.#times.findLast((time) => time.kind === kind)!.to = now
  }

  touched({ times: { handedOutAt = Infinity, endedAt = Infinity } }: CoordinatorJob, wanted: TroubleKind): boolean {
    return this.#times.some(({ kind, from, to }) => kind === wanted && handedOutAt < to && endedAt > from)
  }
}

function wrongTrace(job: CoordinatorJob, number: number): readonly string[] {
  const lines = job.trace.text().match(/^job \d+, line \d+ of \d+$/gm) ?? []
  const wanted = Array.from({ length: linesPerJob }, (_, index) => `job ${number}, line ${index + 1} of ${linesPerJob}`)
  return lines.join('\n') === wanted.join('\n') ? [] : [`job ${number}: ${lines.join(' | ')}`]
}

function configText(
  url: string,
  stateDirectory: string,
  folder: string,
  { runner, autoscaler, slots, maxInstances }: LoadMachines,
): string {
  return `state_dir = "${stateDirectory}"
state_key_file = "${join(folder, 'state.key')}"
concurrent = 10
shutdown_timeout = 60
[[runners]]
name = "crash"
url = "${url}"
token = "${Coordinator.token}"
executor = "instance"
request_concurrency = 4
${runner}
[runners.autoscaler]
${autoscaler}
capacity_per_instance = ${slots}
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

/**
 * Looks at the machines all the time: no manager's word is taken for how many there are, and what they wrote down is
 * kept before they go.
 */
function watchMachines(machines: LoadMachines): { readonly peak: number; stop(): void } {
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, machines.alive() ?? 0)
    machines.collect()
  }, 100)
  return {
    get peak() {
      return peak
    },
    stop: () => clearInterval(timer),
  }
}
