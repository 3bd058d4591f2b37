// `npm run bench -- NAME`: runs one benchmark in a process of its own. Each prints a table and ends with one line
// `BENCH {json}`.
import { spawnSync } from 'node:child_process'

const benches = {
  scheduler: {
    file: 'packages/taskscaler/bench/scheduler.bench.ts',
    measures: 'reserve + acquire + release and plan(), beside generic-pool and tarn',
  },
  jobs: {
    file: 'packages/runner/bench/jobs.bench.ts',
    measures: 'trivial jobs through coordinator, runner and one sshd',
  },
  docker: {
    file: 'packages/runner/bench/docker.bench.ts',
    measures: 'trivial jobs in containers of one Engine, beside bare docker run',
  },
  artifacts: {
    file: 'packages/runner/bench/artifacts.bench.ts',
    measures: '1 GiB of artifacts, zip and raw, from one sshd through the runner',
  },
  sources: {
    file: 'packages/runner/bench/sources.bench.ts',
    measures: 'clone and fetch of a small repository by a job, beside the same git commands typed in its script',
  },
  ssh: {
    file: 'packages/fleeting/bench/ssh.bench.ts',
    measures: 'commands, streams and connects over the SSH connector to one sshd',
  },
  trace: { file: 'packages/job/bench/trace.bench.ts', measures: 'log text through masking, repair and checksum' },
  clouds: {
    file: 'packages/cloud-fakes/bench/clouds.bench.ts',
    measures: "1,000 instances and 10,000 jobs in a simulated hour on each cloud's fake: API calls per job",
  },
  footprint: {
    file: 'packages/cloud-fakes/bench/footprint.bench.ts',
    measures: 'import time and memory over bare Node, of the core and of each cloud plugin',
  },
  journal: {
    file: 'packages/taskscaler/bench/journal.bench.ts',
    measures: 'acquire + release with every loan kept in SQLite, and how long that blocks the event loop',
  },
  restart: {
    file: 'packages/runner/bench/restart.bench.ts',
    measures:
      'a killed manager with 1,000 instances and 1,000 jobs: to the first decision, and to all adopted, of the next one, and until logs go on',
  },
  goplugin: {
    file: 'packages/fleeting-goplugin/bench/goplugin.bench.ts',
    measures: 'a Go plugin from start to ready beside its own time, and a list of 10,000 instances over the wire',
  },
} as const

const [name, ...rest] = process.argv.slice(2)
const bench = benches[name as keyof typeof benches]
if (bench === undefined) {
  const problem =
    name === undefined || name === '--help'
      ? 'usage: npm run bench -- NAME'
      : `no bench is called ${JSON.stringify(name)}`
  console.error(
    [problem, ...Object.entries(benches).map(([key, { measures }]) => `  ${key.padEnd(10)} ${measures}`)].join('\n'),
  )
  process.exit(name === '--help' ? 0 : 2)
}
const flags = ['--expose-gc', '--conditions=@runner-core/source', bench.file, ...rest]
process.exit(spawnSync(process.execPath, flags, { stdio: 'inherit' }).status ?? 1)
