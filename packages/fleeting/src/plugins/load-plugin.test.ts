import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { candidateNames, exportOf, loadPlugin } from './load-plugin.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'plugins-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const group = "export const createInstanceGroup = () => 'made'\n"

function write(path: string, text: string): void {
  mkdirSync(dirname(join(directory, path)), { recursive: true })
  writeFileSync(join(directory, path), text)
}

function install(name: string, manifest: object, files: Record<string, string>): void {
  write(`node_modules/${name}/package.json`, JSON.stringify({ name, type: 'module', ...manifest }))
  for (const [path, text] of Object.entries(files)) write(`node_modules/${name}/${path}`, text)
}

describe('found', () => {
  test('by short name: ours before others', async () => {
    install('fleeting-plugin-moon', { main: 'index.js' }, { 'index.js': group })
    expect((await loadPlugin('moon', { baseDirectory: directory })).file).toBe(
      join(directory, 'node_modules/fleeting-plugin-moon/index.js'),
    )
    install('@runner-core/fleeting-plugin-moon', { exports: './main.js' }, { 'main.js': group })
    const loaded = await loadPlugin('moon', { baseDirectory: directory })
    expect(loaded.file).toBe(join(directory, 'node_modules/@runner-core/fleeting-plugin-moon/main.js'))
    expect(loaded.createInstanceGroup({}, {} as never)).toBe('made')
  })

  test.each(['@acme/moon', 'acme-moon', 'fleeting-plugin-moon'])('by the name of a package: %s', async (name) => {
    install(name, { exports: { '.': { import: './main.js' } } }, { 'main.js': group })
    expect((await loadPlugin(name, { baseDirectory: directory })).file).toBe(
      join(directory, `node_modules/${name}/main.js`),
    )
  })

  test('in a directory above the base one', async () => {
    install('fleeting-plugin-moon', {}, { 'index.js': group })
    const { file } = await loadPlugin('moon', { baseDirectory: join(directory, 'etc', 'deep') })
    expect(file).toBe(join(directory, 'node_modules/fleeting-plugin-moon/index.js'))
  })

  test('by path, relative to the base directory or absolute', async () => {
    write('my/plugin.mjs', group)
    const file = join(directory, 'my/plugin.mjs')
    expect((await loadPlugin('./plugin.mjs', { baseDirectory: join(directory, 'my') })).file).toBe(file)
    expect((await loadPlugin('../my/plugin.mjs', { baseDirectory: join(directory, 'my') })).file).toBe(file)
    expect((await loadPlugin(file)).file).toBe(file)
  })

  test.each(['googlecloud', 'googlecompute'])(
    '%s, the name of GitLab’s plugin, is gce unless something is installed under it',
    async (name) => {
      const { file } = await loadPlugin(name, { baseDirectory: directory })
      expect(file).toMatch(/fleeting-plugin-gce[\\/]src[\\/]index\.ts$/)
      install(`fleeting-plugin-${name}`, {}, { 'index.js': group })
      const own = await loadPlugin(name, { baseDirectory: directory })
      expect(own.file).toBe(join(directory, `node_modules/fleeting-plugin-${name}/index.js`))
    },
  )

  test('where this package is installed, when the base directory has none; from its sources, when this one runs so', async () => {
    const { file } = await loadPlugin('local', { baseDirectory: directory })
    expect(file).toMatch(/fleeting-plugin-local[\\/]src[\\/]index\.ts$/)
  })
})

describe('not usable', () => {
  const attempt = (reference: string): Promise<unknown> => loadPlugin(reference, { baseDirectory: directory })

  test.each([
    ['moon', 'npm install @runner-core/fleeting-plugin-moon'],
    ['fleeting-plugin-moon', 'npm install @runner-core/fleeting-plugin-moon'],
    ['@acme/moon', 'npm install @acme/moon'],
    ['moon:1.2', 'it is not installed; try: runner-core fleeting install moon:1.2'],
    [
      `moon@sha256:${'a'.repeat(64)}`,
      `it is not installed; try: runner-core fleeting install moon@sha256:${'a'.repeat(64)}`,
    ],
    ['group/moon:1', 'it is not installed; try: runner-core fleeting install group/moon:1'],
    [
      'registry.example.com:5000/group/moon:1',
      'try: runner-core fleeting install registry.example.com:5000/group/moon:1',
    ],
  ])('%s is not installed', async (reference, hint) => {
    await expect(attempt(reference)).rejects.toMatchObject({
      code: 'plugin_not_found',
      reference,
      message: expect.stringContaining(hint),
    })
  })

  test.each([
    ['locla', 'plugin "locla": it is not installed; did you mean local?'],
    ['fleeting-plugin-dokcer', 'plugin "fleeting-plugin-dokcer": it is not installed; did you mean docker?'],
  ])('%s is near the name of a plugin, which is suggested instead of a package', async (reference, message) => {
    await expect(attempt(reference)).rejects.toMatchObject({ code: 'plugin_not_found', message })
  })

  test('a path that is near the name of a plugin', async () => {
    await expect(attempt('./locla')).rejects.toMatchObject({
      message: expect.stringMatching(/no such file: .*; did you mean local\?$/),
    })
  })

  test.each(['', 'two words', '@acme', '@acme/moon/deep', '../', 'moon/../../etc', 'https://acme.example/moon'])(
    '%j is no name',
    async (reference) => {
      await expect(attempt(reference)).rejects.toMatchObject({ name: 'PluginError' })
    },
  )

  test('a file that does not exist', async () => {
    await expect(attempt('./nowhere.js')).rejects.toMatchObject({
      code: 'plugin_not_found',
      message: expect.stringContaining(join(directory, 'nowhere.js')),
    })
  })

  test('present, but it fails to load: the cause is kept, also when what it imports is missing', async () => {
    write('throws.mjs', "throw new Error('no good')\n")
    await expect(attempt('./throws.mjs')).rejects.toMatchObject({
      code: 'plugin_failed',
      cause: { message: 'no good' },
    })
    install('fleeting-plugin-moon', {}, { 'index.js': "import 'not-installed-anywhere'\n" })
    await expect(attempt('moon')).rejects.toMatchObject({ code: 'plugin_failed', cause: expect.any(Error) })
    write('syntax.mjs', 'export const = 1\n')
    await expect(attempt('./syntax.mjs')).rejects.toMatchObject({ code: 'plugin_failed' })
  })

  test('present, but its package cannot be read, or exports nothing', async () => {
    install('fleeting-plugin-moon', { exports: { './other': './other.js' } }, {})
    await expect(attempt('moon')).rejects.toMatchObject({
      code: 'plugin_failed',
      message: expect.stringMatching(/has no export/),
    })
    write('node_modules/fleeting-plugin-moon/package.json', '{ broken')
    await expect(attempt('moon')).rejects.toMatchObject({ code: 'plugin_failed', cause: expect.any(SyntaxError) })
  })

  test('loaded, but it is no plugin', async () => {
    write('empty.mjs', 'export const createInstanceGroup = 7\n')
    await expect(attempt('./empty.mjs')).rejects.toMatchObject({ code: 'plugin_invalid' })
  })
})

test('what a name may mean', () => {
  expect(candidateNames('local')).toEqual(['@runner-core/fleeting-plugin-local', 'fleeting-plugin-local', 'local'])
  expect(candidateNames('fleeting-plugin-local')).toEqual([
    '@runner-core/fleeting-plugin-local',
    'fleeting-plugin-local',
  ])
  expect(candidateNames('@acme/x')).toEqual(['@acme/x'])
})

test.each([
  ['./a.js', './a.js'],
  [{ '.': './a.js' }, './a.js'],
  [{ import: './a.mjs', require: './a.cjs' }, './a.mjs'],
  [{ '.': { types: './a.d.ts', node: { import: './node.js' }, default: './a.js' } }, './node.js'],
  [{ '.': [{ require: './a.cjs' }, './a.js'] }, './a.js'],
  [{ '.': { require: './a.cjs' } }, undefined],
  [{ '.': null }, undefined],
])('exports %j: %j', (exports, entry) => {
  expect(exportOf(exports)).toBe(entry)
})

test.each([
  [{ '.': './a.js', './fake': './fake.js' }, './fake.js'],
  [{ './fake': { types: './fake.d.ts', default: './fake.js' } }, './fake.js'],
  [{ '.': './a.js' }, undefined],
  [{ import: './a.mjs' }, undefined],
  ['./a.js', undefined],
])('exports %j: %j as ./fake', (exports, entry) => {
  expect(exportOf(exports, './fake')).toBe(entry)
})

test('one export of a package, by its name', async () => {
  const created = 'export const createInstanceGroup = () => "the fake"\n'
  install('@acme/clouds', { exports: { '.': './none.js', './fake': './fake.js' } }, { 'fake.js': created })
  const { file } = await loadPlugin('@acme/clouds/fake', { baseDirectory: directory })
  expect(file).toBe(join(directory, 'node_modules/@acme/clouds/fake.js'))
  await expect(loadPlugin('@acme/clouds/other', { baseDirectory: directory })).rejects.toThrow('has no export ./other')
})
