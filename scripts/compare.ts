// `npm run compare -- [--payload NAME …] [--record FILE] [--replay FILE]`: gives the forty payloads to this project's
// runner and, where GITLAB_RUNNER_BIN names one, to a stock gitlab-runner, on an OpenSSH server each, and shows a table
// of what they did; then each difference. With `--replay` the other side is a recorded run; `--record` keeps the stock
// runner's results, or this runner's where there is no stock one. Ends with 1 where there are differences that are not
// meant.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { compareRuns, comparisonTable, differencesText } from '@runner-core/testkit/payloads/compare-runs'
import { sourcesMissing } from '@runner-core/testkit/payloads/payload-world'
import {
  ownRecord,
  parseRecordedRun,
  type RecordedRun,
  recordedRunText,
} from '@runner-core/testkit/payloads/recorded-run'
import { runPayloads } from '@runner-core/testkit/payloads/run-payloads'
import { sshdMissing } from '@runner-core/testkit/ssh/openssh-server'

process.exitCode = await main()

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { payload: { type: 'string', multiple: true }, record: { type: 'string' }, replay: { type: 'string' } },
  })
  const missing = sshdMissing() ?? sourcesMissing()
  if (missing !== undefined) {
    console.error(`nothing can be compared here: ${missing}`)
    return 2
  }
  const stock = process.env['GITLAB_RUNNER_BIN']
  if (stock !== undefined && !existsSync(stock)) {
    console.error(`GITLAB_RUNNER_BIN: there is no ${stock}`)
    return 2
  }
  const ours = await runPayloads({ runner: 'runner-core', only: values.payload })
  const theirs =
    stock === undefined ? undefined : await runPayloads({ runner: versionOf(stock), stock, only: values.payload })
  if (values.record !== undefined) writeFileSync(values.record, recordedRunText(theirs ?? ours))
  return show(ours, values.replay === undefined ? theirs : parseRecordedRun(readFileSync(values.replay, 'utf8')))
}

function show(ours: RecordedRun, given: RecordedRun | undefined): number {
  if (given === undefined)
    console.log(
      'NO STOCK RUNNER: GITLAB_RUNNER_BIN is not set, and no results of one have been recorded yet. Compared with our own earlier results.',
    )
  const theirs = given ?? parseRecordedRun(readFileSync(ownRecord, 'utf8'))
  console.log(
    `${ours.runner} / ${theirs.runner}\n\n${comparisonTable(ours, theirs)}\n\n${differencesText(ours, theirs)}`,
  )
  const differences = compareRuns(ours, theirs)
  const unmeant = differences.filter(({ reason }) => reason === undefined)
  console.log(
    `${differences.length} differences, ${unmeant.length} of them not meant (see docs/reference/compared-with-stock.md)`,
  )
  return unmeant.length === 0 ? 0 : 1
}

/** What `--version` says first. */
function versionOf(stock: string): string {
  const { stdout, status } = spawnSync(stock, ['--version'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${stock} --version failed`)
  return `gitlab-runner ${/^Version:\s*(\S+)/m.exec(stdout)?.[1] ?? 'of an unknown version'}`
}
