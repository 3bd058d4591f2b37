// The program as a shell starts it.
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { bin, runBin, startBin } from '@runner-core/testkit/manager/bin'
import { expect, test } from 'vitest'
import { version } from '../src/version.ts'

const old = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((path) => join(path, 'node'))
  .find((path) => existsSync(path) && /^v2[02]\./.test(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout))

test('it runs from the sources, without a build', async () => {
  expect(await runBin(['version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  expect(await runBin(['run', '--config', 'nowhere.toml'])).toEqual({
    code: 2,
    stdout: '',
    stderr: 'error: nowhere.toml: expected a readable file, got no such file\n',
  })
})

test.skipIf(old === undefined)(
  "an old Node hands over to the checkout's own, and passes its exit code on",
  async () => {
    const node = old as string
    expect(await runBin(['version'], { node })).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
    expect((await runBin(['vlidate'], { node })).code).toBe(2)
  },
)

test.skipIf(!existsSync('/dev/full')).each([
  [['version'], 1],
  [['validate', '--config', 'nowhere.toml'], 2],
  [['custom-executor', 'run'], 2],
] as const)('output that cannot be written is a failure, not an error that nothing catches: %o', (args, code) => {
  const full = openSync('/dev/full', 'w')
  const out = spawnSync(process.execPath, [bin, ...args], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' })
  const both = spawnSync(process.execPath, [bin, ...args], { stdio: ['ignore', full, full] })
  closeSync(full)
  expect([out.status, both.status], out.stderr).toEqual([code, code])
  expect(out.stderr.trim().split('\n')).toHaveLength(1)
})

test('a reader that has read enough is no failure', async () => {
  const run = startBin(['--help'])
  run.process.stdout!.destroy()
  expect(await run.ended).toBe(0)
  expect(run.stderr).toBe('')
})

test.skipIf(process.platform !== 'linux')(
  'a shell starts it so that dead buffers can be collected, and what it starts inherits nothing of that',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'runner-core-bin-'))
    try {
      const probe = join(folder, 'probe.cjs')
      const tell =
        "JSON.stringify([typeof gc, process.env.MALLOC_ARENA_MAX, require('node:fs').readFileSync('/proc/self/environ', 'latin1').includes('MALLOC_ARENA_MAX=1')])"
      writeFileSync(probe, `process.on('exit', () => console.error(${tell}))`)
      const { stderr } = spawnSync(bin, ['version'], {
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: `--require ${probe}` },
      })
      expect(JSON.parse(stderr)).toEqual(['function', null, true])
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)
