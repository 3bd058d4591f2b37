// The types as users get them: a project that checks the declarations of its libraries compiles.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installTarballs, pack } from '@runner-core/testkit/programs/packed'
import { afterAll, beforeAll, expect, test } from 'vitest'

const clouds = ['aws', 'azure', 'docker', 'gce', 'local', 'static'].map((name) => `packages/fleeting-plugin-${name}`)
const libraries = [
  'fleeting',
  'taskscaler',
  'job',
  'runner-executor',
  'runner-docker-executor',
  'runner-instance-executor',
  'runner',
  'fleeting-goplugin',
].map((name) => `packages/${name}`)
const packages = [...libraries, ...clouds]
const checkout = fileURLToPath(new URL('../../..', import.meta.url))

/** Every entry of a package that has types. */
function entries(path: string): string[] {
  const { name, exports } = JSON.parse(readFileSync(join(checkout, path, 'package.json'), 'utf8')) as {
    readonly name: string
    readonly exports: Readonly<Record<string, unknown>>
  }
  const typed = Object.entries(exports).filter(([, entry]) => typeof Object(entry).types === 'string')
  return typed.map(([subpath]) => `${name}${subpath.slice(1)}`)
}

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'types-packed-'))
})
afterAll(() => rmSync(root, { recursive: true }))

test('a project with skipLibCheck false compiles against every entry of every package', { timeout: 600_000 }, async ({
  skip,
}) => {
  const tarballs = await pack(join(root, 'stage'), packages)
  const folder = join(root, 'project')
  mkdirSync(folder)
  const { devDependencies } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
    readonly devDependencies: Readonly<Record<string, string>>
  }
  const wanted = { '@types/node': devDependencies['@types/node'], vitest: devDependencies['vitest'] }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', devDependencies: wanted }))
  const missing = await installTarballs(folder, tarballs)
  if (missing !== undefined) {
    console.warn(`SKIPPED: types from tarballs: ${missing}`)
    skip(missing)
  }
  const compilerOptions = {
    target: 'es2024',
    module: 'nodenext',
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: ['node'],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['main.ts'] }))
  const names = packages.flatMap(entries)
  expect(names.length).toBeGreaterThan(packages.length)
  writeFileSync(join(folder, 'main.ts'), names.map((name, index) => `export * as e${index} from '${name}'\n`).join(''))
  const tsc = join(checkout, 'node_modules/typescript/bin/tsc')
  const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(process.execPath, [tsc, '-p', folder], { cwd: folder }, (error, stdout) =>
      resolve({ code: error?.code ?? 0, output: stdout }),
    )
  })
  expect({ code, output }).toEqual({ code: 0, output: '' })
})
