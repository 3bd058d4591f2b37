// The program as a shell starts it.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { version } from '../src/version.ts'
import { runBin, startBin } from './bin.ts'

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

test.skipIf(old === undefined)("an old Node hands over to the checkout's own, and passes its exit code on", async () => {
  const node = old as string
  expect(await runBin(['version'], { node })).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  expect((await runBin(['vlidate'], { node })).code).toBe(2)
})

test('a reader that has read enough is no failure', async () => {
  const run = startBin(['--help'])
  run.process.stdout!.destroy()
  expect(await run.ended).toBe(0)
  expect(run.stderr).toBe('')
})
