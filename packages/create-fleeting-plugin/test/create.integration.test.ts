// `npm create @runner-core/fleeting-plugin` as an author has it: from packed tarballs, in an empty folder.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { silentLogger, systemClock } from '@runner-core/fleeting'
import { createGoPluginGroup } from '@runner-core/fleeting-goplugin'
import { installTarballs, pack } from '@runner-core/testkit/programs/packed'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const run = promisify(execFile)
const never = new AbortController().signal
const packages = ['fleeting', 'fleeting-goplugin', 'fleeting-plugin-local', 'create-fleeting-plugin'].map(
  (name) => `packages/${name}`,
)

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'create-plugin-'))
})
afterAll(() => rmSync(root, { recursive: true }))

const manifest = (file: string) => JSON.parse(readFileSync(file, 'utf8'))

test('the template asks for the versions that this repository has', () => {
  const wanted = manifest(new URL('../template/package.json.in', import.meta.url).pathname)
  const own = manifest(new URL('../package.json', import.meta.url).pathname)
  const { devDependencies } = manifest(new URL('../../../package.json', import.meta.url).pathname)
  expect(new Set(Object.values(wanted.dependencies))).toEqual(new Set([own.version]))
  const server = '@runner-core/fleeting-goplugin'
  expect(wanted.peerDependencies).toEqual({ [server]: `^${own.version}` })
  expect(wanted.devDependencies).toEqual({
    [server]: own.version,
    '@types/node': devDependencies['@types/node'],
    typescript: devDependencies.typescript,
  })
})

test('a new plugin keeps the contract and is served, at once', { timeout: 300_000 }, async ({ skip }) => {
  const tarballs = await pack(join(root, 'stage'), packages)
  const empty = join(root, 'empty')
  mkdirSync(empty)
  const create = ['exec', '--yes', '--offline', `--package=${tarballs.at(-1)}`, '--', 'create-fleeting-plugin']
  await run('npm', [...create, 'moon'], { cwd: empty })
  expect(readdirSync(empty)).toEqual(['fleeting-plugin-moon'])
  await expect(run('npm', [...create, 'moon'], { cwd: empty })).rejects.toMatchObject({
    stderr: expect.stringContaining('already'),
  })
  await expect(run('npm', [...create, '../moon'], { cwd: empty })).rejects.toMatchObject({
    stderr: expect.stringContaining('usage'),
  })

  const folder = join(empty, 'fleeting-plugin-moon')
  const missing = await installTarballs(folder, tarballs.slice(0, -1))
  if (missing !== undefined) {
    console.warn(`SKIPPED: a plugin from the template: ${missing}`)
    skip(missing)
  }
  const { stdout } = await run('npm', ['test'], { cwd: folder })
  expect(stdout).toMatch(/^\d{2} passed, 0 failed, \d+ skipped$/m)

  const file = join(folder, 'bin/fleeting-plugin-moon.js')
  expect((await run(file, ['version'])).stdout).toMatch(/^Name: +fleeting-plugin-moon\nVersion: +0\.1\.0\n/)
  const context = { fleet: 'test', connector: {}, logger: silentLogger, clock: systemClock, random: Math.random }
  // From its sources, and, without them, from what they compile to, which is all that a package has.
  for (const sources of [true, false]) {
    if (!sources) rmSync(join(folder, 'src'), { recursive: true })
    const group = createGoPluginGroup(file)({ region: 'moon-1' }, context)
    expect(await group.init(never)).toMatchObject({ id: 'moon/moon-1/gitlab-runner', version: '0.1.0' })
    expect(await group.increase({ count: 1, launchToken: 'one' }, never)).toMatchObject({ requested: 1 })
    const running = await vi.waitFor(async () => {
      const [row] = await group.list(never)
      expect(row?.state).toBe('running')
      return row!.id
    }, 20_000)
    expect(await group.connectInfo(running, never)).toMatchObject({ protocol: 'ssh', username: expect.any(String) })
    await group.shutdown()
  }
})
