// The suite as a plugin author has it: from packed tarballs, in an empty folder.
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const checkout = fileURLToPath(new URL('../../..', import.meta.url))
const packages = ['packages/fleeting', 'packages/fleeting-plugin-local', 'examples/write-a-plugin']
const run = promisify(execFile)

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'fleeting-packed-'))
})
afterAll(() => rmSync(root, { recursive: true }))

/** Builds and packs copies of the packages, so that the checkout stays as it is. Answers the tarballs. */
async function pack(stage: string): Promise<readonly string[]> {
  const modules = join(stage, 'node_modules')
  mkdirSync(join(modules, '@runner-core'), { recursive: true })
  for (const name of readdirSync(join(checkout, 'node_modules'))) {
    if (!['@runner-core', '.cache'].includes(name)) symlinkSync(join(checkout, 'node_modules', name), join(modules, name))
  }
  cpSync(join(checkout, 'tsconfig.base.json'), join(stage, 'tsconfig.base.json'))
  for (const path of packages) {
    const skipped = [join(checkout, path, 'node_modules'), join(checkout, path, 'dist')]
    cpSync(join(checkout, path), join(stage, path), { recursive: true, filter: (source) => !skipped.includes(source) })
    if (existsSync(skipped[0]!)) symlinkSync(skipped[0]!, join(stage, path, 'node_modules'))
    if (path.startsWith('packages/')) symlinkSync(join(stage, path), join(modules, '@runner-core', path.slice('packages/'.length)))
  }
  await run('npx', ['tsc', '-b', ...packages.slice(0, 2)], { cwd: stage })
  const tarballs = packages.map((path) => run('npm', ['pack', '--silent', join(stage, path)], { cwd: stage }))
  return (await Promise.all(tarballs)).map(({ stdout }) => join(stage, stdout.trim().split('\n').at(-1)!))
}

test('npx @runner-core/fleeting conformance, installed from tarballs, checks the example plugin', { timeout: 300_000 }, async ({
  skip,
}) => {
  const tarballs = await pack(join(root, 'stage'))
  const folder = join(root, 'empty')
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{}')
  try {
    await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', ...tarballs], { cwd: folder })
  } catch (error) {
    if (!/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED/.test(String(error))) throw error
    console.warn('SKIPPED: fleeting from tarballs: the npm registry cannot be reached')
    skip('the npm registry cannot be reached')
  }
  const example = './node_modules/example-write-a-plugin'
  const args = ['conformance', 'example-write-a-plugin', '--config', `${example}/acme.toml`, '--cloud', `${example}/dist/acme-cloud.js`]
  const { stdout } = await run('npx', ['--no-install', '@runner-core/fleeting', ...args], { cwd: folder })
  expect(stdout).toMatch(/^\d{2} passed, 0 failed, 9 skipped$/m)
  expect(existsSync(join(folder, 'node_modules/@runner-core/fleeting/dist/cli/main.js'))).toBe(true)
})
