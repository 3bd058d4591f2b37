// `npm run bench -- artifacts`: 1 GiB of artifacts from one machine (a stock sshd on loopback) through a runner
// (`runner-core run`, a process of its own) to a coordinator (in this process, which digests what comes): packed as a
// zip at the default level, and one file raw. From the end of the job's script, by the machine's own clock, to that of
// the job, so that looking for the files and the report of the end are part of it. Prints a table and one line
// `BENCH {json}`; MB are 10^6 bytes of the files, memory is MiB.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ArtifactSpec, Coordinator } from '@runner-core/runner/testing'
import { staticConfig } from '@runner-core/testkit/manager/runner-configs'
import { startRunner } from '@runner-core/testkit/manager/runner-process'
import { findSshd, startSshd } from '@runner-core/testkit/ssh/bench-sshd'
import { mebibyte, mixWords, writeMix, writeNoise } from './artifact-content.ts'
import { median } from './measure.ts'

const rounds = 3
const bytes = 1024 * mebibyte
const bin = fileURLToPath(new URL('../bin/runner-core.js', import.meta.url))
const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url))

const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error(signal)))
})
interrupted.catch(() => {})

interface Row {
  readonly mbPerSecond: number
  readonly sentMb: number
}

const sshd = findSshd()
if (sshd === undefined) {
  console.log('sshd is not installed: nothing is measured')
  process.exit(0)
}
await using cleanUp = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'runner-core-bench-'))
cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }))
chmodSync(folder, 0o755) // the bench user reads its authorized_keys there
const content = join(folder, 'content')
mkdirSync(join(content, 'mix'), { recursive: true })
await writeMix(join(content, 'mix'), modules)
await writeNoise(join(content, 'raw'), bytes)

const server = cleanUp.use(await startSshd(sshd, folder))
const coordinator = cleanUp.use(await Coordinator.start({ tokens: [Coordinator.token] }))
const config = join(folder, 'config.toml')
writeFileSync(config, staticConfig(coordinator.url, Coordinator.token, server, { detach: true }))
const runner = cleanUp.use(startRunner(bin, ['run', '--config', config], join(folder, 'runner.log')))

// A manager at rest is one that has done this before: its code is compiled.
await measure({ paths: ['little'] }, `head -c 8000000 ${content}/mix/logs/build-0.log >little`)
const atRest = runner.memory().rssMb
const zips: Row[] = []
const raws: Row[] = []
for (let round = 0; round < rounds; round++) {
  zips.push(await measure({ paths: ['mix'] }, `[ -d mix ] || cp -r ${content}/mix .`))
  raws.push(await measure({ paths: ['raw'], format: 'raw', type: 'metrics' }, `[ -f raw ] || cp ${content}/raw .`))
}
const { peakMb } = runner.memory()
if (coordinator.violations.length > 0)
  throw new Error(`the job API was violated: ${JSON.stringify(coordinator.violations.slice(0, 5))}`)

const row = (rows: readonly Row[]) => ({
  'MB/s': Math.round(median(rows.map(({ mbPerSecond }) => mbPerSecond))),
  'MB sent': Math.round(rows[0]!.sentMb),
})
console.log(mixWords)
console.table({ zip: row(zips), raw: row(raws) })
console.log(`manager: ${Math.round(atRest)} MiB after a first artifact of 8 MB, ${Math.round(peakMb)} MiB at most`)
const result = {
  zipMbPerSecond: row(zips)['MB/s'],
  rawMbPerSecond: row(raws)['MB/s'],
  peakRssMb: Math.round(peakMb),
  restRssMb: Math.round(atRest),
  overRestMb: Math.round(peakMb - atRest),
}
console.log(`BENCH ${JSON.stringify(result)}`)

async function measure(artifact: ArtifactSpec, prepare: string): Promise<Row> {
  const job = coordinator.enqueue({
    name: 'artifacts',
    // When its line comes here says little: it may wait for the first bytes of the archive.
    script: [prepare, 'echo "made at ${EPOCHREALTIME}"'],
    artifacts: [artifact],
    timeoutSeconds: 600,
  })
  await Promise.race([job.finished, runner.ended, interrupted])
  const { endedAt } = job.times
  const made = /^made at (\d+)[.,](\d{6})/m.exec(job.trace.text())
  if (job.state !== 'success' || made === null || endedAt === undefined)
    throw new Error(`job ${job.id}: ${job.state} ${job.failureReason ?? ''}\n${job.trace.text()}`)
  const sentMb = (job.uploads[0]?.size ?? 0) / 1e6
  const madeAt = Number(`${made[1]}${made[2]}`) / 1000
  return { mbPerSecond: bytes / 1e6 / ((endedAt - madeAt) / 1000), sentMb }
}
