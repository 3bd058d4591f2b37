// A plugin as one executable: no Node, no packages, no checkout beside it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { silentLogger, systemClock } from '@runner-core/fleeting'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createGoPluginGroup } from '../src/index.ts'

const checkout = fileURLToPath(new URL('../../..', import.meta.url))
const never = new AbortController().signal

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bundle-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const bundle = (name: string) =>
  spawnSync(process.execPath, ['scripts/bundle-plugin.ts', name, folder], {
    cwd: checkout,
    encoding: 'utf8',
  })

test('plugin static as one file says its version, and is served, without anything else', {
  timeout: 120_000,
}, async () => {
  expect(bundle('static')).toMatchObject({ status: 0, stdout: expect.stringContaining('fleeting-plugin-static') })
  const file = join(folder, 'fleeting-plugin-static')
  const told = spawnSync(file, ['version'], { cwd: '/', encoding: 'utf8', env: {} })
  expect(told).toMatchObject({
    status: 0,
    stderr: '',
    stdout: expect.stringMatching(/^Name: +fleeting-plugin-static\nVersion: +\d/),
  })
  const context = {
    fleet: 'test',
    connector: { username: 'ci', password: 'x' },
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  }
  const group = createGoPluginGroup(file, { environment: {}, tls: 'require' })(
    { instances: { here: { internal_addr: '127.0.0.1' } } },
    context,
  )
  expect(await group.init(never)).toMatchObject({ version: '0.1.0' })
  expect(await group.increase({ count: 1, launchToken: 'one' }, never)).toMatchObject({ requested: 1 })
  const [row] = await group.list(never)
  expect(await group.connectInfo(row!.id, never)).toMatchObject({ username: 'ci' })
  await group.shutdown()
})

test.each([
  ['local', /cannot be one file/],
  ['moon', /^usage/],
  ['', /^usage/],
])('plugin %j cannot be bundled, and is told why', (name, words) => {
  expect(bundle(name)).toMatchObject({ status: 1, stderr: expect.stringMatching(words) })
})
