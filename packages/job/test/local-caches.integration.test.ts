import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { LocalEnvironment } from '@runner-core/testkit/jobs/local-environment'
import { describe, expect, test } from 'vitest'
import { loginDirectory } from '../src/build-paths.ts'
import { localCacheStatus, packLocally, restoreLocalCache, saveLocalCache } from '../src/caches/local-cache.ts'
import { unpackCommand } from '../src/files/unpack-archive.ts'
import { localShells } from './local-shells.ts'

const { signal } = new AbortController()
const cache = { cacheDir: `${loginDirectory}/cache`, projectPath: "group/it's", key: 'a/größe (1)' }
const fileOf = ({ home }: LocalEnvironment): string => join(home, 'cache', cache.projectPath, cache.key, 'cache.gz')
const projectDir = `${loginDirectory}/project`
const pack = packLocally(projectDir)

describe.each(localShells)('$name', (localShell) => {
  const machine = (): LocalEnvironment => new LocalEnvironment({ localShell })

  async function run(
    environment: LocalEnvironment,
    command: string,
    ...lines: readonly string[]
  ): Promise<{ exitCode?: number; said: string }> {
    let said = ''
    const hear = (chunk: Buffer): void => {
      said += chunk.toString()
    }
    const end = await environment.transfer({
      command,
      input: (async function* () {
        yield Buffer.from(lines.join(''))
      })(),
      stdout: hear,
      stderr: hear,
      signal,
    })
    return { ...end, said }
  }
  const save = (
    environment: LocalEnvironment,
    files: readonly string[],
    { digest = 'one', unique = environment.jobMarker.value, command = pack } = {},
  ) =>
    run(
      environment,
      saveLocalCache(cache, command, { digest, level: 1, unique }),
      './d\n./d/e\n\n',
      ...files.map((file) => `./${file}\0`),
    )
  const restore = (environment: LocalEnvironment) =>
    run(environment, restoreLocalCache(cache, unpackCommand(projectDir)))

  function write(environment: LocalEnvironment, files: Readonly<Record<string, string>>): void {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(environment.home, path)), { recursive: true })
      writeFileSync(join(environment.home, path), content)
    }
  }

  test('what is saved is restored, elsewhere too where the directory is shared', async () => {
    using environment = machine()
    write(environment, { 'project/d/e/file': 'content', 'project/top file': 'top' })
    symlinkSync('/usr/bin/python3', join(environment.home, 'project/d/link'))
    expect(await save(environment, ['d/e/file', 'top file', 'd/link'])).toEqual({ exitCode: 0, said: '' })
    expect(readdirSync(dirname(fileOf(environment)))).toEqual(['cache.gz'])
    expect([fileOf(environment), dirname(fileOf(environment))].map((path) => statSync(path).mode & 0o77)).toEqual([
      0, 0,
    ])

    rmSync(join(environment.home, 'project'), { recursive: true })
    mkdirSync(join(environment.home, 'project'))
    using other = new LocalEnvironment({ localShell, home: environment.home })
    expect(await restore(other)).toEqual({ exitCode: 0, said: '' })
    expect(readFileSync(join(environment.home, 'project/d/e/file'), 'utf8')).toBe('content')
    expect(readFileSync(join(environment.home, 'project/top file'), 'utf8')).toBe('top')
    expect(readlinkSync(join(environment.home, 'project/d/link'))).toBe('/usr/bin/python3')
  })

  test('as many files as there are, with whatever names, and several names of one file', async () => {
    using environment = machine()
    const names = Array.from({ length: 3000 }, (_, index) => `d/e/file ${index} ${'long '.repeat(20)}`)
    const odd = ['d/-rf', 'd/a\nb', 'd/\\n', "d/it's", 'd/*']
    write(environment, Object.fromEntries([...names, ...odd].map((name) => [`project/${name}`, name])))
    linkSync(join(environment.home, 'project/d/*'), join(environment.home, 'project/d/same'))
    expect(await save(environment, [...odd, 'd/same', ...names])).toEqual({ exitCode: 0, said: '' })
    rmSync(join(environment.home, 'project'), { recursive: true })
    mkdirSync(join(environment.home, 'project'))
    expect(await restore(environment)).toEqual({ exitCode: 0, said: '' })
    for (const name of [...names, ...odd])
      expect(readFileSync(join(environment.home, 'project', name), 'utf8')).toBe(name)
    expect(statSync(join(environment.home, 'project/d/same')).ino).toBe(
      statSync(join(environment.home, 'project/d/*')).ino,
    )
  })

  test('none is no error; one that is damaged is', async () => {
    using environment = machine()
    write(environment, { 'project/d/e/file': 'content'.repeat(10_000) })
    expect(await restore(environment)).toEqual({ exitCode: localCacheStatus.missing, said: '' })
    await save(environment, ['d/e/file'])
    const bytes = readFileSync(fileOf(environment))
    writeFileSync(fileOf(environment), bytes.subarray(0, bytes.length / 2))
    expect((await restore(environment)).exitCode).not.toBe(0)
    writeFileSync(fileOf(environment), '')
    expect((await restore(environment)).exitCode).not.toBe(0)
  })

  test('a symbolic link that stands where the cache has a directory gives way: nothing is written behind it', async () => {
    using environment = machine()
    write(environment, { 'project/d/e/file': 'content', 'elsewhere/keep': '' })
    await save(environment, ['d/e/file'])
    rmSync(join(environment.home, 'project/d/e'), { recursive: true })
    symlinkSync('../../elsewhere', join(environment.home, 'project/d/e'))
    expect(await restore(environment)).toEqual({ exitCode: 0, said: '' })
    expect(readdirSync(join(environment.home, 'elsewhere'))).toEqual(['keep'])
    expect(readFileSync(join(environment.home, 'project/d/e/file'), 'utf8')).toBe('content')
  })

  test('what is the same is not written again', async () => {
    using environment = machine()
    write(environment, { 'project/d/e/file': 'content' })
    await save(environment, ['d/e/file'])
    const first = statSync(fileOf(environment)).ino
    expect(await save(environment, ['d/e/file'])).toEqual({ exitCode: localCacheStatus.upToDate, said: '' })
    expect(statSync(fileOf(environment)).ino).toBe(first)
    expect(await save(environment, ['d/e/file'], { digest: 'two' })).toEqual({ exitCode: 0, said: '' })
    expect(statSync(fileOf(environment)).ino).not.toBe(first)
    // What is damaged is.
    writeFileSync(fileOf(environment), 'one\n')
    expect(await save(environment, ['d/e/file'], { digest: 'two' })).toEqual({ exitCode: 0, said: '' })
  })

  test.each([
    ['fails', 'cat >/dev/null; echo half; exit 3'],
    ['is killed', 'cat >/dev/null; echo half; kill -KILL $$'],
    ['ends the shell that is around it', 'echo half; exit 1'],
  ])('a tar that %s leaves what was there, and nothing else', async (_, command) => {
    using environment = machine()
    write(environment, { 'project/d/e/file': 'first' })
    await save(environment, ['d/e/file'])
    write(environment, { 'project/d/e/file': 'second' })
    expect((await save(environment, ['d/e/file'], { digest: 'two', command })).exitCode).not.toBe(0)
    if (!command.includes('KILL')) expect(readdirSync(dirname(fileOf(environment)))).toEqual(['cache.gz'])
    expect((await restore(environment)).exitCode).toBe(0)
    expect(readFileSync(join(environment.home, 'project/d/e/file'), 'utf8')).toBe('first')
  })

  test('of many that save under one key at once, one counts as a whole, and all that restore meanwhile get a whole one', async () => {
    using environment = machine()
    write(environment, { 'project/d/e/file': '0'.repeat(300_000) })
    await save(environment, ['d/e/file'], { digest: '0' })
    const writers = Array.from({ length: 6 }, async (_, index) => {
      const command = packLocally(`${loginDirectory}/w${index}`)
      write(environment, { [`w${index}/d/e/file`]: String(index + 1).repeat(300_000) })
      return save(environment, ['d/e/file'], { digest: String(index + 1), unique: `job${index}`, command })
    })
    const readers = Array.from({ length: 6 }, (_, index) => {
      mkdirSync(join(environment.home, `r${index}`))
      return run(environment, restoreLocalCache(cache, unpackCommand(`${loginDirectory}/r${index}`)))
    })
    for (const { exitCode, said } of await Promise.all([...writers, ...readers]))
      expect({ exitCode, said }).toEqual({ exitCode: 0, said: '' })
    for (let index = 0; index < 6; index++) {
      const content = readFileSync(join(environment.home, `r${index}/d/e/file`), 'utf8')
      expect(content).toBe(content[0]!.repeat(300_000))
    }
    expect(readdirSync(dirname(fileOf(environment)))).toEqual(['cache.gz'])
  })

  test('what nobody has used for a month goes when something is saved, and what a crash left after a day', async () => {
    using environment = machine()
    write(environment, {
      'project/d/e/file': 'content',
      'cache/other/project/old/cache.gz': '',
      'cache/other/project/new/cache.gz': '',
      'cache/other/project/new/.cache.crashed': '',
      'cache/other/project/new/.cache.running': '',
      'cache/other/project/notes.txt': '',
    })
    const daysAgo = (path: string, days: number): void => {
      const at = Date.now() / 1000 - days * 86_400
      utimesSync(join(environment.home, 'cache/other/project', path), at, at)
    }
    daysAgo('old/cache.gz', 32)
    daysAgo('new/cache.gz', 28)
    daysAgo('new/.cache.crashed', 3)
    daysAgo('notes.txt', 300)
    await save(environment, ['d/e/file'])
    const left = ['old/cache.gz', 'new/cache.gz', 'new/.cache.crashed', 'new/.cache.running', 'notes.txt'].filter(
      (path) => existsSync(join(environment.home, 'cache/other/project', path)),
    )
    expect(left).toEqual(['new/cache.gz', 'new/.cache.running', 'notes.txt'])
    // Being restored is a use.
    const at = Date.now() / 1000 - 40 * 86_400
    utimesSync(fileOf(environment), at, at)
    await restore(environment)
    expect(statSync(fileOf(environment)).mtimeMs).toBeGreaterThan(Date.now() - 86_400_000)
  })
})
