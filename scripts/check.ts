// `npm run check`: everything that is checked besides the tests. Runs all checks even when one fails, and closes with
// `N passed, N failed`.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

interface Check {
  readonly name: string
  readonly command: readonly [string, ...string[]]
}

const published = readdirSync('packages')
  .map((folder) => `packages/${folder}`)
  .filter(
    (folder) =>
      existsSync(`${folder}/package.json`) &&
      JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')).private !== true,
  )

// `internals` of a package resolves within this repository only.
const attw = ['attw', '--profile', 'esm-only', '--format', 'ascii', '--exclude-entrypoints', 'internals'] as const

const checks: readonly Check[] = [
  { name: 'types', command: ['tsc', '-b'] },
  { name: 'reference of the types', command: ['node', 'scripts/api-reference.ts'] },
  // A link that leads nowhere fails it.
  { name: 'docs site', command: ['vitepress', 'build', 'docs'] },
  { name: 'format and lint', command: ['biome', 'ci', '--error-on-warnings', '.'] },
  { name: 'type-aware lint', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'dead code', command: ['knip'] },
  { name: 'imports between packages', command: ['node', 'scripts/package-borders.ts'] },
  { name: 'length of lines', command: ['node', 'scripts/line-length.ts'] },
  { name: 'build', command: ['turbo', 'run', 'build', '--output-logs=errors-only'] },
  ...published.flatMap((folder): Check[] => [
    { name: `exports of ${folder}`, command: ['publint', folder, '--strict'] },
    { name: `type resolution of ${folder}`, command: [...attw, '--pack', folder] },
  ]),
]

let failed = 0
for (const { name, command } of checks) {
  const [program, ...args] = command
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
  })
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name}`)
  if (status === 0) continue
  failed += 1
  console.log(`$ ${command.join(' ')}\n${stdout ?? ''}${stderr ?? ''}`)
}
console.log(`${checks.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
