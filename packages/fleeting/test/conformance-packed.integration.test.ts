// The suite as a plugin author has it: from packed tarballs, in an empty folder.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installTarballs, pack } from '@runner-core/testkit/programs/packed'
import { afterAll, beforeAll, expect, test } from 'vitest'

const packages = [
  'packages/fleeting',
  'packages/fleeting-goplugin',
  'packages/fleeting-plugin-local',
  'examples/write-a-plugin',
]
const run = promisify(execFile)

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'fleeting-packed-'))
})
afterAll(() => rmSync(root, { recursive: true }))

test('npx @runner-core/fleeting conformance, installed from tarballs, checks the example plugin', {
  timeout: 300_000,
}, async ({ skip }) => {
  const tarballs = await pack(join(root, 'stage'), packages)
  const folder = join(root, 'empty')
  mkdirSync(folder)
  const missing = await installTarballs(folder, tarballs)
  if (missing !== undefined) {
    console.warn(`SKIPPED: fleeting from tarballs: ${missing}`)
    skip(missing)
  }
  const example = './node_modules/example-write-a-plugin'
  const args = [
    'conformance',
    'example-write-a-plugin',
    '--config',
    `${example}/acme.toml`,
    '--cloud',
    `${example}/dist/acme-cloud.js`,
  ]
  const { stdout } = await run('npx', ['--no-install', '@runner-core/fleeting', ...args], { cwd: folder })
  expect(stdout).toMatch(/^\d{2} passed, 0 failed, 15 skipped$/m)
  expect(existsSync(join(folder, 'node_modules/@runner-core/fleeting/dist/cli/main.js'))).toBe(true)
})
