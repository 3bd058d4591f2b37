// `npm run compare -- [--executor docker|instance] [--payload NAME …] [--record FILE] [--replay FILE]`: gives payloads
// to this project's runner and, where GITLAB_RUNNER_BIN names one, to a stock gitlab-runner, one job after another, and
// shows a table of what they did; then each difference. Executor docker: in containers of this computer's Engine, the
// stock runner with the helper image that STOCK_HELPER_IMAGE names; executor instance: on an OpenSSH server each.
// Default: both. With `--replay` the other side is a recorded run; `--record` keeps the stock runner's results, or
// those of this runner where there is no stock one. Ends with 1 where there are differences that are not meant, or
// where this runner did not end a job in a container as it must.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { parseArgs } from 'node:util'
import { compareRuns, comparisonTable, differencesText } from '@runner-core/testkit/payloads/compare-runs'
import { type ComparedSuite, comparedSuites, stockRunner } from '@runner-core/testkit/payloads/compared-suites'
import { parseRecordedRun, type RecordedRun, recordedRunText } from '@runner-core/testkit/payloads/recorded-run'

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    console.error(`${signal}: removing what was started`)
    process.exitCode = 128 + constants.signals[signal]
    stopping.abort(new Error(signal))
  })
try {
  process.exitCode = await main()
} catch (error) {
  if (!stopping.signal.aborted) throw error
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      executor: { type: 'string' },
      payload: { type: 'string', multiple: true },
      record: { type: 'string' },
      replay: { type: 'string' },
    },
  })
  const { executor, payload: only, record, replay } = values
  const suites = comparedSuites.filter(
    (suite) =>
      (executor === undefined || suite.executor === executor) &&
      (only === undefined || only.some((name) => suite.payloads.includes(name))),
  )
  if (suites.length === 0) {
    console.error('there is no such executor, or no such payload: nothing is compared')
    return 2
  }
  const stock = stockRunner()
  const given = replay === undefined ? undefined : parseRecordedRun(readFileSync(replay, 'utf8'))
  const codes: number[] = []
  const kept: RecordedRun[] = []
  for (const suite of suites) {
    const missing = suite.missing()
    if (missing !== undefined) {
      console.error(`NOTHING IS COMPARED with executor ${suite.executor}: ${missing}`)
      continue
    }
    const { ours, theirs, unmet } = await runSuite(suite, stock, only)
    kept.push(theirs ?? ours)
    codes.push(show(suite, ours, given ?? theirs, unmet))
  }
  if (codes.length === 0) return 2
  if (record !== undefined)
    writeFileSync(record, recordedRunText({ ...kept[0]!, jobs: kept.flatMap(({ jobs }) => jobs) }))
  return Math.max(...codes)
}

async function runSuite(suite: ComparedSuite, stock: string | undefined, only: readonly string[] | undefined) {
  const run = (runner: string, isStock: boolean) =>
    suite.run({
      runner,
      isStock,
      only,
      progress: (line) => console.error(`${runner}: ${line}`),
      signal: stopping.signal,
    })
  const { recorded: ours, unmet } = await run('runner-core', false)
  const withStock = stock !== undefined && suite.stockMissing() === undefined
  const theirs = withStock ? (await run(versionOf(stock), true)).recorded : undefined
  return { ours, theirs, unmet }
}

function show(
  suite: ComparedSuite,
  ours: RecordedRun,
  given: RecordedRun | undefined,
  unmet: readonly string[],
): number {
  const theirs = given ?? suite.record()
  if (given === undefined) console.log(`NO STOCK RUNNER: ${suite.stockMissing()}`)
  const differences = compareRuns(ours, theirs, suite.meant)
  const table = comparisonTable(ours, theirs, differences)
  console.log(`${ours.runner} / ${theirs.runner}\n\n${table}\n\n${differencesText(differences)}`)
  for (const text of unmet) console.log(`NOT AS IT MUST BE: ${text}`)
  const unmeant = differences.filter(({ reason }) => reason === undefined)
  console.log(
    `${differences.length} differences, ${unmeant.length} of them not meant (see docs/reference/compared-with-stock.md)`,
  )
  return unmeant.length === 0 && unmet.length === 0 ? 0 : 1
}

/** What `--version` says first. */
function versionOf(stock: string): string {
  const { stdout, status } = spawnSync(stock, ['--version'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${stock} --version failed`)
  return `gitlab-runner ${/^Version:\s*(\S+)/m.exec(stdout)?.[1] ?? 'of an unknown version'}`
}
