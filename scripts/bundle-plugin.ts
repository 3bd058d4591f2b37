// `npm run bundle -- NAME [FOLDER]`: plugin NAME (aws, azure, docker, gce, static) as one executable,
// fleeting-plugin-NAME, that needs neither Node nor packages. Bundled by rolldown, put into a copy of this Node by its
// support for single executables. For the platform that it runs on.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { rolldown } from 'rolldown'

/** Why a plugin cannot be one file. */
const notBundled: Readonly<Record<string, string>> = {
  local: 'its machines are processes that are started from a file of its package',
}
/** postject has no types of its own. */
type Inject = (
  file: string,
  name: string,
  data: Buffer,
  options: { readonly sentinelFuse: string; readonly machoSegmentName?: string },
) => Promise<void>
const { inject } = createRequire(import.meta.url)('postject') as { readonly inject: Inject }

/** Where Node looks for what was put into it. */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

const [name = '', target = 'bundles'] = process.argv.slice(2)
const folder = resolve('packages', `fleeting-plugin-${name}`)
if (name === '' || !existsSync(folder))
  fail('usage: npm run bundle -- NAME [FOLDER], where NAME is aws, azure, docker, gce or static')
if (notBundled[name] !== undefined) fail(`plugin ${name} cannot be one file: ${notBundled[name]}`)

const work = mkdtempSync(join(tmpdir(), 'bundle-'))
try {
  const executable = resolve(target, `fleeting-plugin-${name}${process.platform === 'win32' ? '.exe' : ''}`)
  mkdirSync(dirname(executable), { recursive: true })
  await bundle(join(work, 'plugin.cjs'))
  await intoNode(join(work, 'plugin.cjs'), executable)
  console.log(
    `${executable}: ${Math.round(statSync(executable).size / 1e6)} MB, ${process.platform}-${process.arch}, Node ${process.version}`,
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}

async function bundle(file: string): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  const [revision, reference] = ['--short=12', '--abbrev-ref'].map((how) => git('rev-parse', how, 'HEAD'))
  const versionInfo = {
    name: `fleeting-plugin-${name}`,
    version,
    revision,
    reference,
    builtAt: new Date().toISOString(),
  }
  const entry = `import { createInstanceGroup } from ${JSON.stringify(join(folder, 'src/index.ts'))}
import { goPluginCommand } from ${JSON.stringify(resolve('packages/fleeting-goplugin/src/serve/index.ts'))}
void goPluginCommand(createInstanceGroup, ${JSON.stringify(versionInfo)}, process.argv.slice(2))`
  const build = await rolldown({
    input: 'entry',
    platform: 'node',
    resolve: { conditionNames: ['@runner-core/source', 'node', 'import', 'default'] },
    plugins: [
      {
        name: 'one file',
        resolveId: (id) => (id === 'entry' ? id : undefined),
        load: (id) => (id === 'entry' ? entry : undefined),
        transform: (code, id) => (id.includes('node_modules') ? undefined : withoutFiles(code, id)),
      },
    ],
    onLog: () => {},
  })
  await build.write({ file, format: 'cjs', minify: true, codeSplitting: false })
}

/** What our sources require at run time is put in place now. */
function withoutFiles(code: string, id: string): string {
  return code
    .replaceAll(/createRequire\(import\.meta\.url\)\('([^']+\.json)'\)/g, (_, path: string) =>
      readFileSync(resolve(dirname(id), path), 'utf8').trim(),
    )
    .replace('const require = createRequire(import.meta.url)\n', '')
}

async function intoNode(main: string, executable: string): Promise<void> {
  const [config, blob] = [join(work, 'sea.json'), join(work, 'plugin.blob')]
  // The flags of the committed executables: why, docs/decisions/goplugin.md tells.
  const [, line = ''] =
    /exec node (.+) "\$0"/.exec(readFileSync(join(folder, `bin/fleeting-plugin-${name}.js`), 'utf8')) ?? []
  const flags = line.split(' ')
  writeFileSync(
    config,
    JSON.stringify({ main, output: blob, disableExperimentalSEAWarning: true, useCodeCache: true, execArgv: flags }),
  )
  // With them too, or the code that is compiled now would be of another kind.
  run(process.execPath, ...flags, '--experimental-sea-config', config)
  copyFileSync(process.execPath, executable)
  chmodSync(executable, 0o755)
  const isMac = process.platform === 'darwin'
  if (isMac) run('codesign', '--remove-signature', executable)
  await inject(executable, 'NODE_SEA_BLOB', readFileSync(blob), {
    sentinelFuse: fuse,
    ...(isMac && { machoSegmentName: 'NODE_SEA' }),
  })
  if (isMac) run('codesign', '--sign', '-', executable)
}

function run(program: string, ...args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) fail(`${program} failed: ${error?.message ?? `${stdout}${stderr}`}`)
}

function git(...args: readonly string[]): string {
  return spawnSync('git', args, { encoding: 'utf8' }).stdout?.trim() ?? ''
}

function fail(message: string): never {
  console.error(message)
  process.exit(1)
}
