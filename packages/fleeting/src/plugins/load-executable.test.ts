// Executables as plugins, and which of two plugins of one name is taken.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from '../contract/clock.ts'
import { silentLogger } from '../contract/logger.ts'
import { loadPlugin } from './load-plugin.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'executables-'))
  vi.stubEnv('PATH', join(directory, 'bin'))
  vi.stubEnv('FLEETING_PLUGIN_PATH', join(directory, 'plugins'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true, force: true })
})

function write(path: string, text: string, mode: number): string {
  const file = join(directory, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}
const program = (path: string): string => write(path, '#!/bin/sh\n', 0o755)
const load = (reference: string): ReturnType<typeof loadPlugin> => loadPlugin(reference, { baseDirectory: directory })

test.each(['fleeting-plugin-moon', 'moon'])(
  '%s is the program on PATH, where no package is called so',
  async (reference) => {
    const file = program('bin/fleeting-plugin-moon')
    expect(await load(reference)).toEqual({ kind: 'executable', file, createInstanceGroup: expect.any(Function) })
  },
)

test('a package of the same name wins, and what it was preferred to is told', async () => {
  const file = program('bin/fleeting-plugin-local')
  for (const reference of ['local', 'fleeting-plugin-local']) {
    expect(await load(reference)).toMatchObject({ kind: 'module', passedOver: file })
  }
  expect(await load('multi')).not.toHaveProperty('passedOver')
})

test("an installed plugin is named by its version, also where a package has the plugin's name", async () => {
  const file = program('plugins/registry.gitlab.com/gitlab-org/fleeting/plugins/local/1.2.0/fleeting-plugin-local')
  expect(await load('local:1')).toMatchObject({ kind: 'executable', file })
  expect(await load('local')).toMatchObject({ kind: 'module', passedOver: file })
  await expect(load('local:2')).rejects.toMatchObject({ code: 'plugin_not_found' })
})

test('a path is a program when it can be run and does not end as modules do', async () => {
  const file = program('opt/plugin')
  expect(await load(file)).toMatchObject({ kind: 'executable', file })
  expect(await load('./opt/plugin')).toMatchObject({ kind: 'executable', file })
  write('opt/plugin.mjs', '#!/usr/bin/env node\nexport const createInstanceGroup = () => 1\n', 0o755)
  expect(await load('./opt/plugin.mjs')).toMatchObject({ kind: 'module' })
  write('opt/text', 'hello', 0o644)
  await expect(load('./opt/text')).rejects.toMatchObject({
    code: 'plugin_failed',
    message: `plugin "./opt/text": ${join(directory, 'opt/text')} is not executable, and its name does not end like a module's (.js, .mjs, .ts)`,
  })
})

test('a package that cannot be loaded is not replaced by a program of its name', async () => {
  program('bin/fleeting-plugin-broken')
  write('node_modules/fleeting-plugin-broken/package.json', '{"type":"module","main":"index.js"}', 0o644)
  write('node_modules/fleeting-plugin-broken/index.js', 'throw new Error("broken")', 0o644)
  await expect(load('broken')).rejects.toMatchObject({ code: 'plugin_failed' })
})

test('nothing is started before the group is initialised, and a configuration that is no table is refused', async () => {
  const file = write('opt/plugin', `#!/bin/sh\ntouch ${join(directory, 'started')}\n`, 0o755)
  const { createInstanceGroup } = await load(file)
  const context = { fleet: 'a', connector: {}, logger: silentLogger, clock: systemClock, random: () => 0 }
  createInstanceGroup({ anything: 'goes' }, context)
  expect(() => createInstanceGroup([], context)).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  expect(existsSync(join(directory, 'started'))).toBe(false)
})
