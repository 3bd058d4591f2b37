import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readGroupConfig } from './group-config.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'group-config-'))
  writeFileSync(join(folder, 'key'), 'the key')
})
afterAll(() => rmSync(folder, { recursive: true }))

function read(name: string, text: string): ReturnType<typeof readGroupConfig> {
  writeFileSync(join(folder, name), text)
  return readGroupConfig(join(folder, name))
}

const tables =
  'plugin_config = { size = 3 }\nconnector_config = { username = "ci", key_path = "key", use_external_addr = true, timeout = "1.5m" }\n'
const parsed = {
  pluginConfig: { size: 3 },
  connector: { username: 'ci', privateKey: 'the key', useExternalAddress: true, timeoutMs: 90_000 },
}

test.each([
  ['at the top', tables],
  ['under autoscaler', `[autoscaler]\n${tables}`],
  ['under runners.autoscaler, the first of several', `[[runners]]\n[runners.autoscaler]\n${tables}[[runners]]\n`],
])('TOML with the tables %s', async (_, text) => {
  expect(await read('config.toml', text)).toEqual(parsed)
})

test('JSON', async () => {
  const json = {
    plugin_config: { size: 3 },
    connector_config: { username: 'ci', key_path: 'key', use_external_addr: true, timeout: '1.5m' },
  }
  expect(await read('config.json', JSON.stringify(json))).toEqual(parsed)
})

test('no file, and a file that says nothing', async () => {
  expect(await readGroupConfig(undefined)).toEqual({ pluginConfig: {}, connector: {} })
  expect(await read('empty.toml', '')).toEqual({ pluginConfig: {}, connector: {} })
})

test.each([
  ['a.toml', 'plugin_config = ', 'a.toml: '],
  ['b.toml', 'plugin_config = "x"', 'plugin_config: expected a table, got a string'],
  ['c.toml', 'connector_config = "x"', 'connector_config: expected a table, got a string'],
  [
    'd.toml',
    'connector_config = { use_external_addr = "yes" }',
    'connector_config.use_external_addr: expected true or false, got "yes"',
  ],
  [
    'e.toml',
    'connector_config = { keepalive = "soon" }',
    'connector_config.keepalive: expected a duration such as "1m30s", got "soon"',
  ],
  [
    'f.toml',
    'connector_config = { user_name = "x" }',
    'connector_config.user_name: expected no such key (did you mean username?)',
  ],
  ['g.toml', 'connector_config = { key_path = "none" }', 'ENOENT'],
  ['h.json', '[]', 'h.json: expected a table, got an empty array'],
])('%s: %s', async (name, text, message) => {
  await expect(read(name, text)).rejects.toThrow(message)
})
