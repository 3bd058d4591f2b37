// `npm run bench -- docker`: trivial jobs in containers of this machine's Engine, four at once: a coordinator (in this
// process), a runner (`runner-core run` with executor "docker", a process of its own), and in the same rounds bare
// `docker run --rm -i` at the same parallelism, in changing order. Then one job at a time: from its hand-out to the
// first byte that its script printed, beside one bare `docker run`. Then the runner's memory at twenty jobs over that
// at rest. GITLAB_RUNNER_BIN and STOCK_HELPER_IMAGE (an image that is on the Engine) add a stock runner with its docker
// executor. Prints a table and one line `BENCH {json}`; `jobsShare` and `firstOutputRatio` are medians over rounds,
// since both sides of a round met the same machine.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Coordinator } from '@runner-core/runner/testing'
import { busyboxImage, hasEngine, makeBusyboxImage } from '@runner-core/testkit/containers/busybox-image'
import { dockerConfig, stockDockerConfig } from '@runner-core/testkit/manager/docker-configs'
import { type RunnerProcess, startRunner } from '@runner-core/testkit/manager/runner-process'
import { type LoadResult, measureLoad, measureOneAtATime, median, quantile } from './measure.ts'

const rounds = Number(process.argv[2] ?? 5)
const slots = 4
const jobsPerRound = 24
const oneByOnePerRound = 5
const stockJobsPerRound = 4
const stockOneByOnePerRound = 1
const jobsOfMemory = 20

const bin = fileURLToPath(new URL('../bin/runner-core.js', import.meta.url))
const tokens = {
  ours: 'glrt-bench-docker000000',
  memory: 'glrt-bench-memory000000',
  stock: 'stock-token-000000000',
}

const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error(signal)))
})
interrupted.catch(() => {})

/** One who runs trivial jobs. */
interface Contender {
  readonly load: () => Promise<Pick<LoadResult, 'jobsPerSecond'>>
  /** Milliseconds from the beginning to the first output, of several one after another. */
  readonly alone: () => Promise<readonly number[]>
}

interface Measured {
  readonly jobsPerSecond: number[]
  readonly aloneMs: number[]
}

interface Result {
  readonly of: ReadonlyMap<string, Measured>
  readonly restMb: number
  readonly jobsMb: number
}

/** What a job is at least: one container that is made, prints a line, and is removed. */
const bare: Contender = {
  async load() {
    const began = performance.now()
    let left = jobsPerRound
    const work = async (): Promise<void> => {
      while (left-- > 0) await bareRun()
    }
    await Promise.race([Promise.all(Array.from({ length: slots }, work)), interrupted])
    return { jobsPerSecond: jobsPerRound / ((performance.now() - began) / 1000) }
  },
  async alone() {
    const measured: number[] = []
    for (let count = 0; count < oneByOnePerRound; count += 1) measured.push(await bareRun())
    return measured
  },
}

if (!hasEngine) {
  console.log('there is no Docker Engine, or no busybox to make an image of: nothing is measured')
  process.exit(0)
}
makeBusyboxImage()
print(await run())

async function run(): Promise<Result> {
  await using cleanUp = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-bench-'))
  cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
  cleanUp.defer(removeVolumes)
  const coordinator = cleanUp.use(
    await Coordinator.start({ tokens: Object.values(tokens), jobRequestsPerMinute: 1000 }),
  )
  const start = (name: string, command: string, config: string): RunnerProcess => {
    const file = join(folder, `${name}.toml`)
    writeFileSync(file, config, { mode: 0o600 })
    return cleanUp.use(startRunner(command, ['run', '--config', file], join(folder, `${name}.log`)))
  }
  const { url } = coordinator
  const options = { url, token: tokens.ours, image: busyboxImage, concurrent: slots }
  const ours = start('ours', bin, dockerConfig(options))
  const contenders = new Map([
    ['ours', contender(coordinator, tokens.ours, ours, jobsPerRound, oneByOnePerRound)],
    ['bare', bare],
  ])
  const stock = process.env['GITLAB_RUNNER_BIN']
  const helperImage = process.env['STOCK_HELPER_IMAGE']
  if (stock !== undefined && existsSync(stock) && helperImage !== undefined) {
    const runner = start('stock', stock, stockDockerConfig({ ...options, token: tokens.stock, helperImage }))
    contenders.set('stock', contender(coordinator, tokens.stock, runner, stockJobsPerRound, stockOneByOnePerRound))
  }
  const of = await compete(contenders)
  const runner = start('memory', bin, dockerConfig({ ...options, token: tokens.memory, concurrent: jobsOfMemory }))
  const memory = await measureMemory(coordinator, runner)
  const violations = coordinator.violations.filter(({ runnerToken }) => runnerToken !== tokens.stock)
  if (violations.length > 0) throw new Error(`the job API was violated: ${JSON.stringify(violations.slice(0, 5))}`)
  return { of, ...memory }
}

/** Builds and caches of the runners, which stay for a next job that never comes. */
function removeVolumes(): void {
  const args = ['volume', 'ls', '-q', '-f', 'name=^runner-bench-(doc|mem)']
  const names = spawnSync('docker', args, { encoding: 'utf8' }).stdout.split('\n').filter(Boolean)
  if (names.length > 0) spawnSync('docker', ['volume', 'rm', ...names])
}

function contender(
  coordinator: Coordinator,
  token: string,
  runner: RunnerProcess,
  jobs: number,
  oneByOne: number,
): Contender {
  const ended = Promise.race([runner.ended, interrupted])
  return {
    load: () => measureLoad(coordinator, token, jobs, ended),
    alone: () => measureOneAtATime(coordinator, token, oneByOne, ended),
  }
}

/** Resolves once the container is removed, with the milliseconds of all of it. */
async function bareRun(): Promise<number> {
  const began = performance.now()
  const args = ['run', '--rm', '-i', busyboxImage, 'sh']
  const child = spawn('docker', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end('echo "trivial-""job-output"\n')
  child.stdout.resume()
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`docker run ended with ${code}`)
  return performance.now() - began
}

/** In turns, each round in another order, so that whatever else the machine does hits them alike. */
async function compete(contenders: ReadonlyMap<string, Contender>): Promise<ReadonlyMap<string, Measured>> {
  const names = [...contenders.keys()]
  const of = new Map(names.map((name) => [name, { jobsPerSecond: [] as number[], aloneMs: [] as number[] }]))
  for (const { alone } of contenders.values()) await alone()
  for (let round = 0; round < rounds; round += 1) {
    const first = round % names.length
    const order = [...names.slice(first), ...names.slice(0, first)]
    for (const name of order) of.get(name)!.jobsPerSecond.push((await contenders.get(name)!.load()).jobsPerSecond)
    for (const name of order) of.get(name)!.aloneMs.push(median(await contenders.get(name)!.alone()))
  }
  return of
}

/** A runner at rest, and with twenty jobs that have begun and wait: resident MiB, the highest of a few looks. */
async function measureMemory(
  coordinator: Coordinator,
  runner: RunnerProcess,
): Promise<{ readonly restMb: number; readonly jobsMb: number }> {
  const token = tokens.memory
  const ended = Promise.race([runner.ended, interrupted])
  await measureOneAtATime(coordinator, token, 3, ended)
  await Promise.race([setTimeout(1000), ended])
  const restMb = runner.memory().rssMb
  const jobs = Array.from({ length: jobsOfMemory }, () =>
    coordinator.enqueue({
      name: 'waiting',
      script: ['echo "it-""waits"; sleep 600'],
      marker: 'it-waits',
      runnerToken: token,
    }),
  )
  let jobsMb = 0
  while (jobs.some(({ times }) => times.firstOutputAt === undefined)) {
    jobsMb = Math.max(jobsMb, runner.memory().rssMb)
    const over = jobs.find(({ state }) => state === 'failed')
    if (over !== undefined) throw new Error(`a job that waits: ${over.failureReason}\n${over.trace.text()}`)
    await Promise.race([setTimeout(50), ended])
  }
  for (const job of jobs) job.cancel()
  await Promise.race([Promise.all(jobs.map(({ finished }) => finished)), ended])
  return { restMb, jobsMb }
}

function print({ of, restMb, jobsMb }: Result): void {
  const row = (name: string): { readonly jobsPerSecond: number; readonly aloneMs: number } | undefined => {
    const measured = of.get(name)
    return (
      measured && {
        jobsPerSecond: quantile(measured.jobsPerSecond, 0.5),
        aloneMs: quantile(measured.aloneMs, 0.5),
      }
    )
  }
  const ratio = (of: readonly number[], over: readonly number[]): number =>
    Math.round(median(of.map((value, round) => value / over[round]!)) * 100) / 100
  console.log(
    `trivial jobs in containers of one Engine, ${slots} at once; alone: to the first output, and all of a run`,
  )
  console.table(
    Object.fromEntries(
      [...of.keys()].map((name) => [name, { 'jobs/s': row(name)?.jobsPerSecond, 'alone ms': row(name)?.aloneMs }]),
    ),
  )
  const [ours, bareOnes, stock] = [of.get('ours')!, of.get('bare')!, row('stock')]
  const figures = {
    jobsPerSecond: row('ours')!.jobsPerSecond,
    bareRunsPerSecond: row('bare')!.jobsPerSecond,
    jobsShare: ratio(ours.jobsPerSecond, bareOnes.jobsPerSecond),
    oneAtATimeMs: row('ours')!.aloneMs,
    bareRunMs: row('bare')!.aloneMs,
    firstOutputRatio: ratio(ours.aloneMs, bareOnes.aloneMs),
    memoryOverRestMb: Math.round((jobsMb - restMb) * 10) / 10,
    stock: stock === undefined ? null : { jobsPerSecond: stock.jobsPerSecond, oneAtATimeMs: stock.aloneMs },
  }
  console.log(`BENCH ${JSON.stringify(figures)}`)
}
