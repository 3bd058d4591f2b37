import { execFile, execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type TarItem, tarBytes, zipBytes } from '@runner-core/testkit/archives/archive-bytes'
import { withArchive } from '@runner-core/testkit/archives/archive-rig'
import { type ArchiveTree, archiveTree, treeAsTar, treeAsZip } from '@runner-core/testkit/archives/archive-tree'
import { maliciousArchives } from '@runner-core/testkit/archives/malicious-archives'
import { LocalEnvironment, type LocalShell } from '@runner-core/testkit/jobs/local-environment'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { unpackArchive } from '../src/files/unpack-archive.ts'
import { localShells } from './local-shells.ts'

const showLate = maliciousArchives.filter(({ showsLate }) => showsLate === true)
const showAtOnce = maliciousArchives.filter(({ showsLate }) => showsLate !== true)

test.each(showAtOnce)('nothing is written at all: $kind', async ({ bytes, code }) => {
  using machine = new Machine(localShells[0]!)
  await expect(machine.unpack(bytes)).rejects.toMatchObject({ name: 'ArchiveError', code })
  machine.expectNothingOutside()
  expect(readdirSync(machine.project)).toEqual([])
})

describe.each(localShells)('$name', (localShell) => {
  test.each(showLate)('nothing is written outside: $kind', async ({ bytes, code }) => {
    using machine = new Machine(localShell)
    await expect(machine.unpack(bytes)).rejects.toMatchObject({ name: 'ArchiveError', code })
    machine.expectNothingOutside()
  })

  // Busybox's tar heeds the umask of whoever is not root, and leaves directories that are there as they are.
  const keepsPermissions = localShell.busyboxOnly !== true || process.getuid?.() === 0

  test('what an honest archive holds is there afterwards, byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(archiveTree, fc.constantFrom(treeAsZip, treeAsTar), async (tree, pack) => {
        using machine = new Machine(localShell)
        await machine.unpack(pack(tree))
        expectTree(machine.project, tree, keepsPermissions)
        // Once more over what is there: a job that is tried again.
        await machine.unpack(pack(tree))
        expectTree(machine.project, tree, keepsPermissions)
        machine.expectNothingOutside()
      }),
      { numRuns: 25 },
    )
  })

  const nested = tarBytes([{ name: 'out/deep/file', content: 'new' }])
  const explicit = tarBytes([
    { name: 'out/', typeflag: '5', mode: 0o755 },
    { name: 'out/deep/', typeflag: '5', mode: 0o750 },
    { name: 'out/deep/file', content: 'new' },
  ])
  test.each([
    ['the archive has an entry for', explicit],
    ['the archive only implies', nested],
  ])('a symbolic link of the work tree in place of a directory that %s gives way', async (_, bytes) => {
    using machine = new Machine(localShell)
    symlinkSync(machine.outside, join(machine.project, 'out'))
    await machine.unpack(bytes)
    expect(readFileSync(join(machine.project, 'out/deep/file'), 'utf8')).toBe('new')
    expect(lstatSync(join(machine.project, 'out')).isDirectory()).toBe(true)
    machine.expectNothingOutside()
  })

  test('so does one further down', async () => {
    using machine = new Machine(localShell)
    mkdirSync(join(machine.project, 'out'))
    symlinkSync(machine.outside, join(machine.project, 'out/deep'))
    await machine.unpack(nested)
    expect(readFileSync(join(machine.project, 'out/deep/file'), 'utf8')).toBe('new')
    machine.expectNothingOutside()
  })

  test.each([
    ['a file', { name: 'victim', content: 'new' }],
    ['a symbolic link', { name: 'victim', typeflag: '2', linkname: 'file' }],
  ] satisfies [string, TarItem][])(
    'a symbolic link of the work tree in place of %s is replaced, not followed',
    async (_, item) => {
      using machine = new Machine(localShell)
      symlinkSync(join(machine.outside, 'kept'), join(machine.project, 'victim'))
      await machine.unpack(tarBytes([{ name: 'file', content: 'new' }, item]))
      expect(readFileSync(join(machine.project, 'victim'), 'utf8')).toBe('new')
      machine.expectNothingOutside()
    },
  )

  test('a hard link is one with its file', async () => {
    using machine = new Machine(localShell)
    await machine.unpack(
      tarBytes([
        { name: 'dir/h', typeflag: '1', linkname: 'file' },
        { name: 'file', content: 'once' },
      ]),
    )
    expect(lstatSync(join(machine.project, 'dir/h')).ino).toBe(lstatSync(join(machine.project, 'file')).ino)
  })

  test('a directory that nobody may write to is filled, and keeps its permissions', async () => {
    using machine = new Machine(localShell)
    const bytes = zipBytes([
      { name: 'ro/', mode: 0o040555, stored: true },
      { name: 'ro/file', content: 'new', mode: 0o100600 },
    ])
    await machine.unpack(bytes)
    await machine.unpack(bytes)
    if (keepsPermissions) expect(lstatSync(join(machine.project, 'ro')).mode & 0o777).toBe(0o555)
  })

  test('bits that give somebody else power are not set', async () => {
    using machine = new Machine(localShell)
    await machine.unpack(tarBytes([{ name: 'suid', mode: 0o6755, content: 'x' }]))
    expect(lstatSync(join(machine.project, 'suid')).mode & 0o7777).toBe(0o755)
  })

  test('what the machine cannot write is its own word', async () => {
    using machine = new Machine(localShell)
    mkdirSync(join(machine.project, 'file/full'), { recursive: true })
    await expect(machine.unpack(tarBytes([{ name: 'file', content: 'x' }]))).rejects.toMatchObject({
      name: 'UnpackError',
      message: expect.stringMatching(/the instance could not unpack the archive \(exit status \d+\): .*file/),
    })
  })
})

test('a full disk of the manager is named', async () => {
  const fixture = fileURLToPath(new URL('full-disk.fixture.ts', import.meta.url))
  const command = `ulimit -f 500; exec '${process.execPath}' --conditions=@runner-core/source '${fixture}'`
  const { stdout } = await promisify(execFile)('bash', ['-c', command])
  expect(stdout).toMatch(/^no_space: the manager has no space for the archive in .*: EFBIG/)
})

/** A machine with a project, and something beside it that must stay as it is. */
class Machine {
  readonly #environment: LocalEnvironment
  readonly project: string
  readonly outside: string

  constructor(localShell: LocalShell) {
    this.#environment = new LocalEnvironment({ localShell })
    const { home } = this.#environment
    if (localShell.busyboxOnly === true)
      for (const applet of ['tar', 'chmod'])
        if (!existsSync(join(home, '.bin', applet))) symlinkSync('/bin/busybox', join(home, '.bin', applet))
    this.project = join(home, "builds/a group's/project")
    this.outside = join(home, 'outside')
    mkdirSync(this.project, { recursive: true })
    mkdirSync(this.outside)
    writeFileSync(join(this.outside, 'kept'), 'kept')
  }

  async unpack(bytes: Buffer): Promise<void> {
    const directory = "\0login\0/builds/a group's/project"
    const { signal } = new AbortController()
    await withArchive(bytes, (archive) => unpackArchive({ environment: this.#environment, directory, archive, signal }))
  }

  expectNothingOutside(): void {
    const { home } = this.#environment
    expect(readdirSync(this.outside)).toEqual(['kept'])
    expect(readFileSync(join(this.outside, 'kept'), 'utf8')).toBe('kept')
    expect(readdirSync(home).sort()).toEqual(['.bin', 'builds', 'outside'])
    expect(readdirSync(join(home, 'builds'))).toEqual(["a group's"])
    expect(readdirSync(join(home, "builds/a group's"))).toEqual(['project'])
    expect(existsSync('/tmp/escaped')).toBe(false)
  }

  [Symbol.dispose](): void {
    // Else only root could remove directories that nobody may write to.
    execFileSync('chmod', ['-R', 'u+rwx', this.project])
    this.#environment[Symbol.dispose]()
  }
}

function expectTree(directory: string, tree: ArchiveTree, keepsPermissions: boolean): void {
  for (const [path, entry] of tree) {
    const there = join(directory, path)
    const stats = lstatSync(there)
    if (entry.type === 'symlink') {
      expect(readlinkSync(there)).toBe(entry.target)
      continue
    }
    expect({ path, mtime: stats.mtimeMs }).toEqual({ path, mtime: entry.mtime })
    if (keepsPermissions) expect({ path, mode: stats.mode & 0o777 }).toEqual({ path, mode: entry.mode })
    if (entry.type === 'file') expect(readFileSync(there, 'latin1') === entry.content, path).toBe(true)
    else expect(stats.isDirectory(), path).toBe(true)
  }
}
