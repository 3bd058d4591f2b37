// Import time and resident memory over bare Node, as installed: of the core (taskscaler and fleeting), and of each
// cloud plugin on its cloud's fake. The time is until a group is initialised and listed, the memory once a machine has
// been launched and asked for too: by then every SDK is loaded. Over fresh processes: the fastest import, since
// whatever else the machine does only ever makes it slower, and the median of memory.
// `npm run bench -- footprint [aws] [gce] [azure]`
import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { systemClock } from '@runner-core/fleeting'
import { cloudNames, startCloud } from '@runner-core/testkit/clouds/cloud-under-bench'

const runs = 7
const core = ['@runner-core/fleeting', '@runner-core/taskscaler']
const probe = fileURLToPath(new URL('./footprint-probe.mjs', import.meta.url))
const root = fileURLToPath(new URL('../../..', import.meta.url))

interface Probed {
  readonly tookMs: number
  readonly rssBytes: number
  readonly loaded: readonly string[]
}

const asked = process.argv.slice(2)
const plugins = asked.length === 0 ? cloudNames : cloudNames.filter((name) => asked.includes(name))

// What is measured is what npm installs: JavaScript, not sources whose types are stripped on the way.
const projects = ['taskscaler', ...plugins.map((name) => `fleeting-plugin-${name}`)].map((name) => `packages/${name}`)
const built = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b', ...projects], {
  cwd: root,
  stdio: 'inherit',
})
if (built.status !== 0) throw new Error('the packages could not be built')

const bare = await figures({})
const rows: [name: string, importMs: number, rssMbOverBare: number][] = []
const note = (name: string, { tookMs, rssBytes }: Pick<Probed, 'tookMs' | 'rssBytes'>): void => {
  rows.push([name, tookMs, (rssBytes - bare.rssBytes) / 1e6])
}
note('core', await figures({ modules: core }))
for (const name of plugins) {
  await using cloud = await startCloud[name]({ clock: systemClock, maxSize: 10 })
  const { pluginConfig, env } = cloud
  note(name, await figures({ modules: core, plugin: `@runner-core/fleeting-plugin-${name}`, pluginConfig }, env))
}
const { loaded } = await run({ modules: core, trace: true })
const sdks = loaded.filter((url) =>
  /node_modules\/(@aws-sdk|@smithy|@azure|@google-cloud|@googleapis|google-auth-library|gaxios)\//.test(url),
)

console.log(
  `${runs} processes each, the fastest import and the median of memory; bare Node ${process.version}: ${(bare.rssBytes / 1e6).toFixed(1)} MB`,
)
console.log(`${'what'.padEnd(10)}${'import'.padStart(12)}${'RSS over bare'.padStart(16)}`)
for (const [name, ms, mb] of rows)
  console.log(`${name.padEnd(10)}${`${ms.toFixed(0)} ms`.padStart(12)}${`${mb.toFixed(1)} MB`.padStart(16)}`)
console.log(`the core loads ${loaded.length} modules, ${sdks.length} of them of a cloud's SDK`)
if (sdks.length > 0) process.exitCode = 1

const one = (value: number): number => Number(value.toFixed(1))
console.log(
  `BENCH ${JSON.stringify(Object.fromEntries(rows.map(([name, ms, mb]) => [name, { importMs: one(ms), rssMbOverBare: one(mb) }])))}`,
)

async function figures(
  what: object,
  env: Readonly<Record<string, string>> = {},
): Promise<Pick<Probed, 'tookMs' | 'rssBytes'>> {
  const probed: Probed[] = []
  for (let index = 0; index < runs; index += 1) probed.push(await run(what, env))
  const sorted = (values: readonly number[]): readonly number[] => values.toSorted((a, b) => a - b)
  const [tookMs = 0] = sorted(probed.map((each) => each.tookMs))
  return { tookMs, rssBytes: sorted(probed.map((each) => each.rssBytes))[Math.floor(runs / 2)] ?? 0 }
}

async function run(what: object, env: Readonly<Record<string, string>> = {}): Promise<Probed> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', probe, JSON.stringify(what)], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
  })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Probed
}
