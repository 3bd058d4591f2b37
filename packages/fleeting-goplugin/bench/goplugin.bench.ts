// A Go plugin from its start to ready, beside its own time, and the list of a large group over the wire. Needs a Go
// toolchain: what is measured is upstream's dummy plugin.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type InstanceGroup, silentLogger, systemClock, systemRandom } from '@runner-core/fleeting'
import { goPrograms } from '@runner-core/testkit/programs/go-programs'
import { createGoPluginGroup, type GoPluginOptions } from '../src/index.ts'
import { environmentNames, magicCookie } from '../src/wire/handshake.ts'
import { servedMemories } from './served-memory.ts'

const instances = 10_000
const starts = 7
const lists = 21

const built = goPrograms()
if ('absent' in built) {
  console.log(`SKIPPED: ${built.absent}`)
  process.exit(0)
}
const { dummy } = built
const never = new AbortController().signal

/** Until the plugin alone says where it listens: what a host cannot make shorter. */
async function ownStart(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'goplugin-bench-'))
  const startedAt = performance.now()
  const child = spawn(dummy, {
    env: {
      ...process.env,
      [magicCookie.name]: magicCookie.value,
      [environmentNames.protocolVersions]: '0',
      [environmentNames.socketDirectory]: directory,
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const took = performance.now() - startedAt
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  rmSync(directory, { recursive: true, force: true })
  return took
}

async function start(
  tls: NonNullable<GoPluginOptions['tls']>,
): Promise<{ readonly group: InstanceGroup; readonly tookMs: number }> {
  const context = { fleet: 'bench', connector: {}, logger: silentLogger, clock: systemClock, random: systemRandom }
  const startedAt = performance.now()
  const group = createGoPluginGroup(dummy, { tls })({}, context)
  await group.init(never)
  return { group, tookMs: performance.now() - startedAt }
}

/** The first includes loading gRPC. */
async function startTimes(tls: NonNullable<GoPluginOptions['tls']>): Promise<readonly number[]> {
  const times: number[] = []
  for (let time = 0; time < starts; time += 1) {
    const { group, tookMs } = await start(tls)
    times.push(tookMs)
    await group.shutdown()
  }
  return times
}

async function listTimes(tls: NonNullable<GoPluginOptions['tls']>): Promise<readonly number[]> {
  const { group } = await start(tls)
  await group.increase({ count: instances, launchToken: 'bench' }, never)
  const times: number[] = []
  for (let time = 0; time < lists; time += 1) {
    const startedAt = performance.now()
    const rows = await group.list(never)
    times.push(performance.now() - startedAt)
    if (rows.length !== instances) throw new Error(`expected ${instances} rows, got ${rows.length}`)
  }
  await group.shutdown()
  return times
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number
const round = (value: number): number => Math.round(value * 10) / 10

const [first = 0, ...later] = await startTimes('offer')
const own: number[] = []
for (let time = 0; time < starts; time += 1) own.push(await ownStart())
const plaintext = await startTimes('off')
const [firstList = 0, ...overTls] = await listTimes('offer')
const [, ...overPlaintext] = await listTimes('off')

const servedMb = await servedMemories()

console.table({
  'the plugin alone, to its handshake line': { ms: round(median(own)) },
  'first start of a process, gRPC loaded': { ms: round(first) },
  'start with TLS': { ms: round(median(later)) },
  'start in plaintext': { ms: round(median(plaintext)) },
  [`first list of ${instances} with TLS`]: { ms: round(firstList) },
  [`list of ${instances} with TLS`]: { ms: round(median(overTls)) },
  [`list of ${instances} in plaintext`]: { ms: round(median(overPlaintext)) },
})
for (const [name, mb] of Object.entries(servedMb)) console.log(`plugin ${name}, served: ${round(mb)} MB RSS`)
if (servedMb['docker'] === undefined) console.log('plugin docker: not measured, there is no daemon that has its image')
const result = {
  update10kMs: round(median(overTls)),
  // Over the plugin's own time, by the worst of them: the first.
  startMs: round(first - median(own)),
  // The largest of them.
  rssMb: round(Math.max(...Object.values(servedMb))),
}
console.log(`BENCH ${JSON.stringify(result)}`)
