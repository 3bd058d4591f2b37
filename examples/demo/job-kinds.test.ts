import { spawnSync } from 'node:child_process'
import { listProcesses } from '@runner-core/runner/testing'
import { expect, test } from 'vitest'
import { kindNames, makeJob } from './job-kinds.ts'

const jobs = Array.from({ length: 40 }, (_, index) => makeJob({ index, durationMs: 10 }))

test('every kind comes up, and what must end is told apart', () => {
  expect([...new Set(jobs.map(({ kind }) => kind))].sort()).toEqual([...kindNames].sort())
  const residues = jobs.flatMap(({ mustEnd }) => mustEnd ?? [])
  expect(new Set(residues).size).toBe(residues.length)
})

test('no expected text stands in the script that is echoed', () => {
  for (const { kind, spec, expected } of jobs) {
    const echoed = [...spec.script, ...(spec.afterScript ?? [])].join('\n')
    for (const text of [spec.marker!, ...expected.has, ...expected.lacks]) {
      if (kind === 'unknown command' && text === 'no-such-command') continue
      expect(echoed, kind).not.toContain(text)
    }
  }
})

const plain = ['success', 'long log', 'exit code', 'unknown command', 'masked secret'].map(
  (kind) => jobs.find((job) => job.kind === kind)!,
)
test.each(plain)('under a plain shell, $kind prints what it must and ends as it must', ({ kind, spec, expected }) => {
  const env = {
    PATH: process.env['PATH'],
    ...Object.fromEntries((spec.variables ?? []).map(({ key, value }) => [key, value])),
  }
  const { status, stdout, stderr } = spawnSync('bash', ['-ec', spec.script.join('\n')], {
    env,
    encoding: 'utf8',
    input: '',
  })
  expect(status).toBe(expected.exitCode ?? 0)
  const printed = stdout + stderr
  if (kind === 'masked secret') for (const secret of expected.lacks) expect(printed).toContain(secret)
  else for (const text of expected.has) expect(printed).toContain(text)
})

test('what must end really runs on when nobody ends it', async () => {
  const index = jobs.findIndex((job) => job.mustEnd !== undefined) + 40 * process.pid
  const { spec, mustEnd } = makeJob({ index, durationMs: 10 })
  const left = () => listProcesses().filter(({ commandLine }) => commandLine === `sleep ${mustEnd}`)
  try {
    spawnSync('bash', ['-ec', spec.script.join('\n')], { stdio: 'ignore' })
    await expect.poll(left).toHaveLength(2)
  } finally {
    for (const { pid } of left()) process.kill(pid)
  }
})
