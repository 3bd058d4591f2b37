// `npm run compare -- --executor docker`: what was recorded, that every difference in it is explained, and the command.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { delimiter, dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { compareRuns } from '@runner-core/testkit/payloads/compare-runs'
import { containerDifferences } from '@runner-core/testkit/payloads/containers/container-differences'
import { leftovers } from '@runner-core/testkit/payloads/containers/leftovers'
import {
  containerPayloadNames,
  containersMissing,
} from '@runner-core/testkit/payloads/containers/run-container-payloads'
import { differencesTable } from '@runner-core/testkit/payloads/differences-table'
import { ownDockerRecord, parseRecordedRun, stockDockerRecord } from '@runner-core/testkit/payloads/recorded-run'
import { expect, test } from 'vitest'

const missing = containersMissing()
if (missing !== undefined) console.warn(`SKIPPED: npm run compare in containers: ${missing}`)
const root = fileURLToPath(new URL('../../..', import.meta.url))
const page = new URL('../../../docs/reference/compared-with-stock.md', import.meta.url)
const [ours, stock] = [ownDockerRecord, stockDockerRecord].map((file) => parseRecordedRun(readFileSync(file, 'utf8')))

test('every difference from the recorded stock runner in containers is explained', () => {
  for (const run of [ours!, stock!]) expect(run.jobs.map(({ name }) => name)).toEqual(containerPayloadNames)
  expect(containerPayloadNames.length).toBeGreaterThanOrEqual(20)
  const differences = compareRuns(ours!, stock!, containerDifferences)
  expect(differences.filter(({ reason }) => reason === undefined)).toEqual([])
})

test('each explanation of a difference in containers explains one', () => {
  const left = containerDifferences.filter((_, index) => {
    const others = containerDifferences.toSpliced(index, 1)
    return compareRuns(ours!, stock!, others).every(({ reason }) => reason !== undefined)
  })
  expect(left).toEqual([])
})

test('the page has the table of differences in containers', () => {
  const differences = compareRuns(ours!, stock!, containerDifferences)
  expect(readFileSync(page, 'utf8')).toContain(differencesTable(differences, containerPayloadNames.length))
})

function start(...args: readonly string[]) {
  const { GITLAB_RUNNER_BIN: _, ...env } = process.env
  const script = ['--conditions=@runner-core/source', 'scripts/compare.ts', '--executor', 'docker', ...args]
  const child = spawn(process.execPath, script, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, PATH: `${dirname(process.execPath)}${delimiter}${env['PATH']}` },
  })
  const run = { child, output: '', progress: '', ended: new Promise((resolve) => child.once('close', resolve)) }
  child.stdout.on('data', (data: Buffer) => {
    run.output += data.toString()
  })
  child.stderr.on('data', (data: Buffer) => {
    run.progress += data.toString()
  })
  return run
}

test.skipIf(missing !== undefined)(
  'the jobs in containers end as they must, and without a stock runner that is said',
  { timeout: 600_000 },
  async () => {
    const run = start()
    const code = await run.ended
    expect(code, run.output + run.progress).toBe(0)
    expect(run.output).toContain('NO STOCK RUNNER: GITLAB_RUNNER_BIN is not set')
    expect(run.output).toContain(`runner-core / ${stock!.runner}`)
    expect(run.output).toMatch(/^canceled +canceled /m)
    expect(run.output).toMatch(/ 0 of them not meant/)
    for (const name of containerPayloadNames) expect(run.progress).toContain(`runner-core: ${name}: `)
  },
)

test.skipIf(missing !== undefined)(
  'a comparison that is ended in the middle of a job leaves no container, network or volume',
  { timeout: 120_000 },
  async ({ signal }) => {
    const run = start('--payload', 'the timeout of the job')
    const owner = async (): Promise<{ readonly name: string; readonly shortToken: string }> => {
      while (!signal.aborted) {
        const shortToken = /compared-([0-9a-f]{8})/.exec(run.progress)?.[1]
        if (shortToken !== undefined) return { name: `compared-${shortToken}`, shortToken }
        await setTimeout(50)
      }
      throw new Error(`no job began: ${run.progress}`)
    }
    const whose = await owner()
    while (!signal.aborted && leftovers(whose).filter(([kind]) => kind === 'container').length === 0)
      await setTimeout(50)
    run.child.kill('SIGTERM')
    expect(await run.ended, run.progress).toBe(143)
    expect(leftovers(whose)).toEqual([])
  },
)
