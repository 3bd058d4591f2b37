// `npm run bench -- jobs`: trivial jobs through a coordinator (in this process), a runner (`runner-core run`, a process
// of its own, as beside a real GitLab) and one OpenSSH sshd, ten slots: as it is configured by default (`sshd`), with
// `state_dir` too (`kept`), and with neither that nor `detach` (`plain`). Prints a table and one line `BENCH {json}`,
// with the share of the throughput that detaching, and detaching with state, cost (`detachLoss`, `stateLoss`).
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Coordinator } from '@runner-core/runner/testing'
import {
  localConfig,
  type StaticOptions,
  slots,
  staticConfig,
  stockConfig,
} from '@runner-core/testkit/manager/runner-configs'
import { type RunnerProcess, startRunner } from '@runner-core/testkit/manager/runner-process'
import { findSshd, startSshd } from '@runner-core/testkit/ssh/bench-sshd'
import { type LoadResult, measureLoad, measureOneAtATime, median, quantile } from './measure.ts'

const rounds = 7
const jobsPerRound = 300
const oneByOnePerRound = 15
const stockJobsPerRound = 30
const stockOneByOnePerRound = 1
const warmUp = 50

interface Row {
  readonly name: string
  readonly jobsPerSecond: number
  readonly firstOutputMs: { readonly p50: number; readonly p99: number }
  readonly oneAtATimeMs: { readonly p50: number }
  readonly rssMb: number
  /** Of each round. */
  readonly jobsPerSecondOf: readonly number[]
}

/** One contender: a runner that is running and has the token that its jobs are for. */
interface Contender {
  readonly name: string
  readonly token: string
  readonly runner: RunnerProcess
  readonly jobs: number
  readonly oneByOne: number
  /** Rejects when the runner ends by itself, or somebody ends the bench. */
  readonly ended: Promise<never>
}

const bin = fileURLToPath(new URL('../bin/runner-core.js', import.meta.url))
const tokens = {
  sshd: 'glrt-bench-sshd00000000',
  kept: 'glrt-bench-kept00000000',
  plain: 'glrt-bench-plain0000000',
  local: 'glrt-bench-local0000000',
  stock: 'stock-token-000000000',
}

const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error(signal)))
})
interrupted.catch(() => {})

print(await run())

async function run(): Promise<ReadonlyMap<string, Row>> {
  await using cleanUp = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'runner-core-bench-'))
  cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755) // the bench user reads its authorized_keys there
  const coordinator = cleanUp.use(
    await Coordinator.start({ tokens: Object.values(tokens), jobRequestsPerMinute: 1000 }),
  )
  const start = (
    name: keyof typeof tokens,
    config: string,
    command = bin,
    jobs = jobsPerRound,
    oneByOne = oneByOnePerRound,
  ): Contender => {
    const file = join(folder, `${name}.toml`)
    writeFileSync(file, config)
    const runner = cleanUp.use(startRunner(command, ['run', '--config', file], join(folder, `${name}.log`)))
    return { name, token: tokens[name], runner, jobs, oneByOne, ended: Promise.race([runner.ended, interrupted]) }
  }
  const rows = new Map<string, Row>()

  const sshd = findSshd()
  if (sshd === undefined) console.log('sshd is not installed: measured with plugin local only')
  else {
    const server = cleanUp.use(await startSshd(sshd, folder))
    const config = (token: string, options: StaticOptions): string =>
      staticConfig(coordinator.url, token, server, options)
    const contenders = [
      start('plain', config(tokens.plain, { detach: false })),
      start('sshd', config(tokens.sshd, { detach: true })),
      start('kept', config(tokens.kept, { detach: true, stateDir: join(folder, 'state') })),
    ]
    const stock = process.env['GITLAB_RUNNER_BIN']
    if (stock !== undefined && existsSync(stock)) {
      contenders.push(
        start(
          'stock',
          stockConfig(coordinator.url, tokens.stock, server),
          stock,
          stockJobsPerRound,
          stockOneByOnePerRound,
        ),
      )
    }
    for (const row of await compete(coordinator, contenders)) rows.set(row.name, row)
  }
  const local = start('local', localConfig(coordinator.url, tokens.local))
  for (const row of await compete(coordinator, [local])) rows.set(row.name, row)

  const ourViolations = coordinator.violations.filter(({ runnerToken }) => runnerToken !== tokens.stock)
  if (ourViolations.length > 0)
    throw new Error(`the job API was violated: ${JSON.stringify(ourViolations.slice(0, 5))}`)
  return rows
}

/**
 * Loads the contenders in turns, each round in another order, so that whatever else the machine does hits them alike;
 * the median round counts.
 */
async function compete(coordinator: Coordinator, contenders: readonly Contender[]): Promise<readonly Row[]> {
  const loads = new Map(contenders.map(({ name }) => [name, [] as LoadResult[]]))
  const alone = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  for (const { token, ended } of contenders) await measureLoad(coordinator, token, warmUp, ended)
  for (let round = 0; round < rounds; round += 1) {
    const first = round % contenders.length
    for (const { name, token, jobs, oneByOne, ended } of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      loads.get(name)?.push(await measureLoad(coordinator, token, jobs, ended))
      alone.get(name)?.push(...(await measureOneAtATime(coordinator, token, oneByOne, ended)))
    }
  }
  return contenders.map(({ name, runner }) => {
    const all = loads.get(name) ?? []
    const jobsPerSecondOf = all.map(({ jobsPerSecond }) => jobsPerSecond)
    const firstOutputs = all.flatMap(({ firstOutputMs }) => firstOutputMs)
    return {
      name,
      jobsPerSecond: quantile(jobsPerSecondOf, 0.5),
      firstOutputMs: { p50: quantile(firstOutputs, 0.5), p99: quantile(firstOutputs, 0.99) },
      oneAtATimeMs: { p50: quantile(alone.get(name) ?? [], 0.5) },
      rssMb: Math.round(runner.memory().rssMb),
      jobsPerSecondOf,
    }
  })
}

/** The share of throughput that `row` loses: the median over rounds, since both of a round met the same machine. */
function loss(row: Row | undefined, plain: Row | undefined): number | null {
  if (row === undefined || plain === undefined) return null
  const losses = row.jobsPerSecondOf.map((jobsPerSecond, round) => 1 - jobsPerSecond / plain.jobsPerSecondOf[round]!)
  return Math.round(median(losses) * 1000) / 1000
}

function print(rows: ReadonlyMap<string, Row>): void {
  console.log(
    `trivial jobs, ${slots} slots on one machine; first output: from the hand-out to the first byte of the script's own output`,
  )
  console.table(
    Object.fromEntries(
      [...rows.values()].map(({ name, jobsPerSecond, firstOutputMs, oneAtATimeMs, rssMb }) => [
        name,
        {
          'jobs/s': jobsPerSecond,
          'first output p50 ms': firstOutputMs.p50,
          'p99 ms': firstOutputMs.p99,
          'one at a time p50 ms': oneAtATimeMs.p50,
          'RSS MiB': rssMb,
        },
      ]),
    ),
  )
  const { name: _, jobsPerSecondOf: __, ...main } = rows.get('sshd') ?? rows.get('local')!
  const stock = rows.get('stock')
  const peer = stock === undefined ? null : { jobsPerSecond: stock.jobsPerSecond, firstOutputMs: stock.firstOutputMs }
  const { rssMb, ...figures } = main
  const plain = rows.get('plain')
  const losses = { detachLoss: loss(rows.get('sshd'), plain), stateLoss: loss(rows.get('kept'), plain) }
  console.log(`BENCH ${JSON.stringify({ ...figures, stock: peer, rssMb, ...losses })}`)
}
