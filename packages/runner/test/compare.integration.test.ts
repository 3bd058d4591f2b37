// `npm run compare`, with a stand-in for the stock runner, since there is none here: what is compared, what counts as
// meant, and that recorded results can be had again.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { compareRuns } from '@runner-core/testkit/payloads/compare-runs'
import { CoordinatorServer } from '@runner-core/testkit/payloads/coordinator-server'
import { meantDifferences } from '@runner-core/testkit/payloads/meant-differences'
import { normalLines } from '@runner-core/testkit/payloads/normal-trace'
import { sourcesMissing } from '@runner-core/testkit/payloads/payload-world'
import {
  ownRecord,
  parseRecordedRun,
  type RecordedJob,
  type RecordedRun,
  recordedRunText,
} from '@runner-core/testkit/payloads/recorded-run'
import { sshdMissing } from '@runner-core/testkit/ssh/openssh-server'
import { expect, test } from 'vitest'
import { RawRunner } from './raw-runner.ts'

const missing = sshdMissing() ?? sourcesMissing()
const root = fileURLToPath(new URL('../../..', import.meta.url))
const standIn = createRequire(import.meta.url).resolve('@runner-core/testkit/payloads/stand-in-runner')
const page = new URL('../../../docs/reference/compared-with-stock.md', import.meta.url)

const job = (given: Partial<RecordedJob> = {}): RecordedJob => ({
  name: 'a',
  state: 'success',
  exitCode: null,
  failureReason: null,
  stages: ['step_script'],
  artifacts: [],
  trace: ['one'],
  ...given,
})
const run = (...jobs: readonly RecordedJob[]): RecordedRun => ({ format: 1, runner: 'r', jobs })

test('each field is compared, and a difference is meant only where it is listed', () => {
  const other = run(job({ state: 'failed', exitCode: 1, stages: [], trace: ['two'] }), job({ name: 'only here' }))
  const meant = [
    { field: 'trace', payloads: ['a'], reason: 'words' } as const,
    { field: 'state', payloads: ['b'], reason: 'other payload' } as const,
  ]
  expect(compareRuns(run(job()), other, meant)).toEqual([
    { payload: 'a', field: 'state', lines: ['+ success', '- failed'], reason: undefined },
    { payload: 'a', field: 'exitCode', lines: ['+ ', '- 1'], reason: undefined },
    { payload: 'a', field: 'stages', lines: ['+ step_script'], reason: undefined },
    { payload: 'a', field: 'trace', lines: ['+ one', '- two'], reason: 'words' },
  ])
  expect(compareRuns(other, other, [])).toEqual([])
})

test('a reason covers the lines and the pair of values that it names, and no others', () => {
  const [mine, theirs] = [job({ state: 'failed', trace: ['one', 'mine', 'odd'] }), job({ trace: ['one', 'theirs'] })]
  const meant = [
    { field: 'trace', payloads: 'all', lines: /^\+ mine$|^- theirs$/, reason: 'words' } as const,
    { field: 'state', payloads: ['a'], lines: /^\+ failed\n- success$/, reason: 'heeded' } as const,
  ]
  expect(compareRuns(run(mine), run(theirs), meant)).toEqual([
    { payload: 'a', field: 'state', lines: ['+ failed', '- success'], reason: 'heeded' },
    { payload: 'a', field: 'trace', lines: ['+ mine', '- theirs'], reason: 'words' },
    { payload: 'a', field: 'trace', lines: ['+ odd'], reason: undefined },
  ])
  expect(compareRuns(run(theirs), run(mine), meant).map(({ reason }) => reason)).toEqual([undefined, undefined])
  const [ordered, other] = [job({ trace: ['a', 'b'] }), job({ trace: ['b', 'a'] })]
  expect(compareRuns(run(ordered), run(other), meant)).toEqual([
    { payload: 'a', field: 'trace', lines: [], reason: undefined },
  ])
})

test('what differs from run to run is not compared, and times in front of lines are not', () => {
  const plain =
    'Running with gitlab-runner 1\nsection_start:5:a\r\x1b[0K\x1b[36;1mTitle\x1b[0;m\non 127.0.0.1:80 in /tmp/x, id=7\nlong line\n'
  const stamped = plain
    .replace('gitlab-runner 1', 'runner-core 2')
    .replace(':80', ':81')
    .replace('/tmp/x', '/tmp/yy')
    .replace('id=7', 'id=8')
    .replace('long line', 'long \n2026-01-02T03:04:05.123456Z 01O+line')
    .replaceAll(/(?<=^|\n)(?!2026|$)/g, '2026-01-02T03:04:05.123456Z 01O ')
  expect(normalLines(stamped, [['/tmp/yy', 'FOLDER']])).toEqual(normalLines(plain, [['/tmp/x', 'FOLDER']]))
  expect(normalLines(plain, [])).toEqual(['Running with RUNNER', 'Title', 'on ADDRESS in /tmp/x, id=ID', 'long line'])
})

test('a job that does not end by its deadline is canceled, and told as that; one for which no runner comes is an error', async () => {
  const payload = (name: string) => ({ name, job: { script: ['true'] }, expected: { state: 'success' } as const })
  const told: string[] = []
  await using server = await CoordinatorServer.start([payload('hangs'), payload('waits')], {
    deadlineMs: 3000,
    onEnd: (name, state) => told.push(`${name}: ${state}`),
  })
  const results = expect(server.results()).rejects.toThrow('no runner came for "waits" within 3 s')
  await new RawRunner(server.url).take({})
  await results
  expect(told).toEqual(['hangs: no end within 3 s'])
})

test('a recorded run is read as it was written; another format is refused', () => {
  const recorded = run(job(), job({ name: 'ü', trace: ['"', '\\'] }))
  expect(parseRecordedRun(recordedRunText(recorded))).toEqual(recorded)
  expect(() => parseRecordedRun('{"format":2}')).toThrow('format 2')
  expect(() => parseRecordedRun('{"format":1,"runner":"r","jobs":[{"name":"a"}]}')).toThrow('needs')
})

test('the page on what is meant lists every reason; payloads that reasons name exist', () => {
  const names = parseRecordedRun(readFileSync(ownRecord, 'utf8')).jobs.map(({ name }) => name)
  expect(names).toHaveLength(40)
  const listed = readFileSync(page, 'utf8')
  for (const { reason, payloads } of meantDifferences) {
    expect(listed).toContain(reason)
    expect(payloads === 'all' ? [] : payloads.filter((name) => !names.includes(name))).toEqual([])
  }
})

test.skipIf(missing !== undefined)(
  `the command compares with a runner of the ssh executor, records it, and replays it${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  { timeout: 300_000 },
  async ({ onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), 'runner-core-compare-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const record = join(folder, 'record.json')
    const compare = async (stock: string | undefined, ...args: readonly string[]) => {
      const { GITLAB_RUNNER_BIN: _, ...env } = process.env
      const child = spawn(process.execPath, ['--conditions=@runner-core/source', 'scripts/compare.ts', ...args], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: {
          ...env,
          PATH: `${dirname(process.execPath)}${delimiter}${env['PATH']}`,
          ...(stock !== undefined && { GITLAB_RUNNER_BIN: stock }),
        },
      })
      const [output, code] = await Promise.all([
        text(child.stdout),
        new Promise((resolve) => child.once('exit', resolve)),
      ])
      return { output, code }
    }
    const chosen = ['sections in order', 'RUNNER_AFTER_SCRIPT_TIMEOUT', 'dependencies'].flatMap((name) => [
      '--payload',
      name,
    ])

    const fresh = await compare(standIn, '--record', record, ...chosen)
    expect(fresh.output).toContain('runner-core / gitlab-runner 0.0.0-stand-in')
    expect(fresh.output).not.toContain('NO STOCK RUNNER')
    expect(fresh.output).toMatch(/^sections in order +success +same +same +same$/m)
    expect(fresh.output).toMatch(/^an archive +success +same +same +same$/m)
    expect(fresh.output).toMatch(/^dependencies +success +same +same +same$/m)
    // What the stand-in does in another way.
    expect(fresh.output).toMatch(/^RUNNER_AFTER_SCRIPT_TIMEOUT +DIFFERENT: success \/ failed +DIFFERENT/m)
    expect(fresh.code, fresh.output).toBe(1)

    const { runner, jobs } = parseRecordedRun(readFileSync(record, 'utf8'))
    expect(runner).toBe('gitlab-runner 0.0.0-stand-in')
    expect(jobs.map(({ name }) => name)).toContain('reports, a raw file, and what git does not know')
    const replayed = await compare(undefined, '--replay', record, ...chosen)
    expect(replayed).toEqual(fresh)

    const alone = await compare(undefined, '--payload', 'sections in order')
    expect(alone.output).toContain('NO STOCK RUNNER')
    expect(alone.output).toContain('no results of one have been recorded yet')
    expect(alone.code, alone.output).toBe(0)
  },
)
