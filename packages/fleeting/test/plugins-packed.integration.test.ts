// A plugin as a user of `fleeting` installs it: without the package that serves it to GitLab Runner, which is a peer.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installTarballs, pack } from '@runner-core/testkit/programs/packed'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)

/** Whose client depends on gRPC by itself, and by which package. */
const grpcBy: Readonly<Record<string, readonly string[]>> = {
  static: [],
  local: [],
  aws: [],
  azure: [],
  gce: ['google-gax'],
  docker: ['dockerode'],
}

let root: string
let tarballs: ReadonlyMap<string, string>
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'plugins-packed-'))
  const names = ['fleeting', 'fleeting-goplugin', ...Object.keys(grpcBy).map((name) => `fleeting-plugin-${name}`)]
  const paths = names.map((name) => `packages/${name}`)
  const files = await pack(join(root, 'stage'), paths)
  tarballs = new Map(names.map((name, index) => [name, files[index]!]))
}, 300_000)
afterAll(() => rmSync(root, { recursive: true }))

const of = (...names: readonly string[]): readonly string[] => names.map((name) => tarballs.get(name)!)

function emptyFolder(name: string): string {
  const folder = join(root, name)
  mkdirSync(folder)
  return folder
}

interface Listed {
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, Listed>>
}

interface Installed {
  readonly name: string
  readonly by: string
}

/** What is installed, and which package depends on it. An optional peer that is absent has no version. */
function installed(by: string, { dependencies = {} }: Listed): readonly Installed[] {
  return Object.entries(dependencies).flatMap(([name, entry]) =>
    entry.version === undefined ? [] : [{ name, by }, ...installed(name, entry)],
  )
}

test.for(Object.entries(grpcBy))(
  'plugin %s from its tarball brings no gRPC of ours, and nothing of AWS twice',
  {
    timeout: 300_000,
  },
  async ([plugin, exceptions], { skip }) => {
    const folder = emptyFolder(`${plugin}-tree`)
    const missing = await installTarballs(folder, of('fleeting', `fleeting-plugin-${plugin}`), ['--package-lock-only'])
    if (missing !== undefined) {
      console.warn(`SKIPPED: what plugin ${plugin} brings along: ${missing}`)
      skip(missing)
    }
    const list = ['ls', '--all', '--json', '--package-lock-only']
    const { stdout } = await run('npm', list, { cwd: folder, maxBuffer: 64e6 })
    const tree = installed('', JSON.parse(stdout) as Listed)
    expect(tree).toContainEqual({ name: '@runner-core/fleeting', by: `@runner-core/fleeting-plugin-${plugin}` })
    const grpc = tree.filter(({ name, by }) => name.startsWith('@grpc/') && !by.startsWith('@grpc/'))
    expect([...new Set(grpc.map(({ by }) => by))]).toEqual(exceptions)
    const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as { packages: object }
    for (const name of ['@aws-sdk/core', '@smithy/core']) {
      const copies = Object.keys(packages).filter((place) => place.endsWith(`node_modules/${name}`))
      expect(copies).toEqual(plugin === 'aws' ? [`node_modules/${name}`] : [])
    }
  },
)

test('the executable of a plugin says which package serves it, where that is absent', { timeout: 300_000 }, async ({
  skip,
}) => {
  const folder = emptyFolder('static')
  const missing = await installTarballs(folder, of('fleeting', 'fleeting-plugin-static'))
  if (missing !== undefined) {
    console.warn(`SKIPPED: a plugin that nothing serves: ${missing}`)
    skip(missing)
  }
  const file = join(folder, 'node_modules/.bin/fleeting-plugin-static')
  await expect(run(file, ['version'])).rejects.toMatchObject({
    code: 2,
    stdout: '',
    stderr:
      'fleeting-plugin-static: serving a plugin to GitLab Runner needs @runner-core/fleeting-goplugin, ' +
      'which is not installed; ' +
      'try: npm install @runner-core/fleeting-goplugin\n',
  })
  expect(await installTarballs(folder, of('fleeting-goplugin'))).toBeUndefined()
  const { stdout } = await run(file, ['version'])
  expect(stdout).toMatch(/^Name: +fleeting-plugin-static\nVersion: +0\.1\.0\n/)

  rmSync(join(folder, 'node_modules/protobufjs'), { recursive: true })
  await expect(run(file, ['version'])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("Cannot find package 'protobufjs'"),
  })
})
