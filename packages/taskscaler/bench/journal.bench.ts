// reserve + acquire + release through the public Taskscaler with the SQLite state store on a real disk: each loan is
// kept before it is handed out, by the policy that docs/decisions/state.md tells. So many jobs at once ask in turn; how
// long that blocks the event loop is measured in the same run. Rounds are interleaved; the figures are medians.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Connection, systemClock } from '@runner-core/fleeting'
import { SqliteStateStore } from '@runner-core/fleeting/sqlite'
import { MemoryGroup } from '@runner-core/fleeting/testing'
import { defaultPolicy, Taskscaler } from '../src/index.ts'

const instances = 1_000
const rounds = 5
const roundMs = 1_000
const concurrencies = [1, 10, 100]

const unused = (): Promise<never> => Promise.reject(new Error('no job of this bench talks to a machine'))
const connection: Connection = {
  exec: unused,
  dial: unused,
  check: async () => {},
  ended: undefined,
  onEnd: () => {},
  close: async () => {},
}

const directory = mkdtempSync(join(tmpdir(), 'runner-core-journal-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
const store = new SqliteStateStore({ directory })
const lease = await store.lease('bench')
const group = new MemoryGroup({ clock: systemClock, maxSize: instances })
for (let made = 0; made < instances; made++) group.addForeign()
const scaler = await Taskscaler.start({
  provisioner: { group, lease, connector: { connect: async () => connection } },
  onDispose: 'keep-instances',
  policies: [{ ...defaultPolicy, idleTimeMs: 3_600_000 }],
})
while (scaler.status().tasks.idle < instances) await new Promise((resolve) => setTimeout(resolve, 50))

async function lendInTurn(until: number): Promise<number> {
  let lent = 0
  for (; performance.now() < until; lent++) scaler.release(await scaler.acquire(scaler.reserve()))
  return lent
}

const results = new Map(
  concurrencies.map((concurrency) => [
    concurrency,
    { perSecond: [] as number[], lagP99Ms: [] as number[], lagMaxMs: [] as number[] },
  ]),
)
for (let round = 0; round < rounds; round++) {
  for (const [concurrency, { perSecond, lagP99Ms, lagMaxMs }] of results) {
    const lag = monitorEventLoopDelay({ resolution: 1 })
    lag.enable()
    const begin = performance.now()
    const lent = await Promise.all(Array.from({ length: concurrency }, () => lendInTurn(begin + roundMs)))
    perSecond.push((lent.reduce((sum, count) => sum + count, 0) / (performance.now() - begin)) * 1_000)
    lag.disable()
    lagP99Ms.push(lag.percentile(99) / 1e6)
    lagMaxMs.push(lag.max / 1e6)
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
const rows = [...results].map(([concurrency, { perSecond, lagP99Ms, lagMaxMs }]) => ({
  'jobs at once': concurrency,
  'acquire+release/s': Math.round(median(perSecond)),
  'event loop p99 ms': Number(median(lagP99Ms).toFixed(1)),
  'event loop max ms': Number(median(lagMaxMs).toFixed(1)),
}))
console.table(rows)
const bySize = (key: keyof (typeof rows)[number]): Record<string, number> =>
  Object.fromEntries(rows.map((row) => [row['jobs at once'], row[key]]))
console.log(
  `BENCH ${JSON.stringify({
    acquireReleasePerSecond: Math.min(...rows.map((row) => row['acquire+release/s'])),
    byJobsAtOnce: bySize('acquire+release/s'),
    eventLoopP99Ms: bySize('event loop p99 ms'),
    eventLoopMaxMs: bySize('event loop max ms'),
  })}`,
)
await scaler.shutdown({ removeInstances: false })
await store.close()
process.exit(0)
