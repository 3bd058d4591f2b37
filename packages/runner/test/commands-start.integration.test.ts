// How the commands of all packages start: under a Node that is too old, and where `/bin/sh` and `env` are busybox's, as
// on Alpine.
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))
/** Below the root. */
const commands = globSync('packages/*/bin/{runner-core,fleeting,fleeting-plugin-*,create-fleeting-plugin}.js', {
  cwd: root,
})

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'runner-core-commands-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A Node of this computer that is older than 22.15. */
function oldNode(): string | undefined {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'node'))
  return candidates.find((file) => {
    const [, major = 0, minor = 0] = (
      /^v(\d+)\.(\d+)/.exec(spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout ?? '') ?? []
    ).map(Number)
    return major > 0 && (major < 22 || (major === 22 && minor < 15))
  })
}

/** Packages as npm installs them, with nothing but what a command reads first. */
function install(): string {
  const modules = join(folder, 'node_modules/@runner-core')
  for (const manifest of globSync('packages/*/package.json', { cwd: root })) {
    const source = join(root, dirname(manifest))
    const target = join(modules, basename(dirname(manifest)))
    mkdirSync(target, { recursive: true })
    for (const part of ['package.json', 'bin'])
      if (existsSync(join(source, part))) cpSync(join(source, part), join(target, part), { recursive: true })
  }
  return modules
}

test('a Node that is too old ends each command with one line that names the version it needs', ({ skip }) => {
  const node = oldNode()
  if (node === undefined) {
    console.warn('SKIPPED: commands under an old Node: there is none on the PATH')
    return skip()
  }
  const modules = install()
  const runs = commands.map((command) => {
    const file = join(modules, command.slice('packages/'.length))
    const { status, stderr } = spawnSync(node, [file, '--help'], { encoding: 'utf8' })
    return { command: basename(file, '.js'), status, stderr }
  })
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  expect(runs).toEqual(
    runs.map(({ command }) => ({
      command,
      status: 2,
      stderr: `${command}: expected Node 22.15 or later, got ${version}\n`,
    })),
  )
})

test('the commands start in an image whose sh and env are busybox', { timeout: 180_000 }, ({ skip }) => {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((file) => existsSync(file))
  const hasDocker = spawnSync('docker', ['version']).status === 0
  if (busybox === undefined || !hasDocker) {
    console.warn(
      `SKIPPED: commands on busybox: ${busybox === undefined ? 'busybox is not installed' : 'no Docker daemon answers'}`,
    )
    return skip()
  }
  const image = 'runner-core-busybox-test'
  const files = join(folder, 'image')
  for (const directory of ['bin', 'usr/bin', 'tmp', 'proc', 'repo', 'lib64'])
    mkdirSync(join(files, directory), { recursive: true })
  copyFileSync(busybox, join(files, 'bin/busybox'))
  for (const applet of ['sh', 'env', 'ps', 'uname']) symlinkSync('/bin/busybox', join(files, 'usr/bin', applet))
  symlinkSync('/bin/busybox', join(files, 'bin/sh'))
  copyFileSync(process.execPath, join(files, 'usr/bin/node'))
  for (const [, library] of execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).matchAll(/(\/\S+)/g)) {
    mkdirSync(join(files, dirname(library!)), { recursive: true })
    copyFileSync(library!, join(files, library!))
  }
  const tar = execFileSync('tar', ['-C', files, '-c', '.'], { maxBuffer: 512 * 1024 * 1024 })
  execFileSync('docker', ['import', '-', image], { input: tar, stdio: ['pipe', 'ignore', 'inherit'] })
  try {
    const calls = commands.map(
      (command) => `/repo/${command} ${command.includes('/fleeting-plugin-') ? 'version' : '--help'}`,
    )
    const script = calls.map((call) => `${call} >/dev/null; echo "${call}: $?"`).join('\n')
    const { stdout, stderr } = spawnSync(
      'docker',
      ['run', '--rm', '--network=none', '-v', `${root}:/repo:ro`, image, '/bin/sh', '-c', script],
      { encoding: 'utf8' },
    )
    expect({ ended: stdout.trim().split('\n'), stderr }).toEqual({
      ended: calls.map((call) => `${call}: 0`),
      stderr: '',
    })
  } finally {
    execFileSync('docker', ['rmi', '-f', image], { stdio: 'ignore' })
  }
})
