// reserve + acquire + release through the public Taskscaler, beside generic-pool and tarn in the same run; plan() and
// heap at the same sizes. Fleets are real: a MemoryGroup behind the Provisioner, each instance adopted, connected to
// and proven ready. Half of the slots stay lent all the time. (With resources lent, tarn searches its list of used ones
// at each release.) Rounds are interleaved, so that a disturbance of the machine hits everybody; the figures are
// medians.
import { type Connection, systemClock } from '@runner-core/fleeting'
import { MemoryGroup } from '@runner-core/fleeting/testing'
import genericPool from 'generic-pool'
import { Pool as TarnPool } from 'tarn'
import { defaultPolicy, plan, type ResolvedPolicy, Taskscaler } from '../src/index.ts'

interface Subject {
  readonly name: string
  readonly size: number
  /** Lends and gives back so many times. */
  run(times: number): Promise<void>
  readonly nsPerOp: number[]
}

interface Fleet extends Subject {
  readonly scaler: Taskscaler
  readonly bytesPerInstance: number
}

const sizes = [100, 1_000, 10_000, 100_000]
const peerSize = 10_000
const rounds = 9
const timesPerRound = 200_000
const plansPerRound = 500

const policy: ResolvedPolicy = { ...defaultPolicy, idleTimeMs: 3_600_000 }
const unused = (): Promise<never> => Promise.reject(new Error('no job of this bench talks to a machine'))
/** Connections are the cloud's weight, not the scheduler's: all instances share one. */
const connection: Connection = {
  exec: unused,
  dial: unused,
  check: async () => {},
  ended: undefined,
  onEnd: () => {},
  close: async () => {},
}

async function makeFleet(size: number): Promise<Fleet> {
  const group = new MemoryGroup({ clock: systemClock, maxSize: size })
  for (let made = 0; made < size; made++) group.addForeign()
  const before = heapUsed()
  const scaler = await Taskscaler.start({
    provisioner: { group, connector: { connect: async () => connection } },
    onDispose: 'keep-instances',
    policies: [policy],
  })
  while (scaler.status().tasks.idle < size) await pause(50)
  const lent = []
  for (let index = 0; index < size / 2; index++) lent.push(await scaler.acquire(scaler.reserve()))
  group.calls.length = 0
  await pause(50)
  return {
    name: 'taskscaler',
    size,
    scaler,
    bytesPerInstance: Math.round((heapUsed() - before) / size),
    nsPerOp: [],
    async run(times) {
      for (let index = 0; index < times; index++) scaler.release(await scaler.acquire(scaler.reserve()))
    },
  }
}

async function makeGenericPool(size: number): Promise<Subject> {
  const pool = genericPool.createPool({ create: async () => ({}), destroy: async () => {} }, { max: size })
  const all = []
  for (let index = 0; index < size; index++) all.push(await pool.acquire())
  for (const resource of all.slice(size / 2)) await pool.release(resource)
  return {
    name: 'generic-pool',
    size,
    nsPerOp: [],
    async run(times) {
      for (let index = 0; index < times; index++) await pool.release(await pool.acquire())
    },
  }
}

async function makeTarn(size: number): Promise<Subject> {
  const pool = new TarnPool({
    create: async () => ({}),
    destroy: () => {},
    min: 0,
    max: size,
    idleTimeoutMillis: 3_600_000,
  })
  const all = []
  for (let index = 0; index < size; index++) all.push(await pool.acquire().promise)
  for (const resource of all.slice(size / 2)) pool.release(resource)
  return {
    name: 'tarn',
    size,
    nsPerOp: [],
    async run(times) {
      for (let index = 0; index < times; index++) pool.release(await pool.acquire().promise)
    },
  }
}

function heapUsed(): number {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc')
  globalThis.gc()
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs))
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

async function timeOps(subject: Subject, times: number): Promise<void> {
  const begin = performance.now()
  await subject.run(times)
  subject.nsPerOp.push(((performance.now() - begin) * 1e6) / times)
  // Timers and the loop's own passes get their turn outside the measured time.
  await pause(5)
}

/**
 * Milliseconds for the snapshot and the plan when it has most to say: a hundred idle instances to remove, each with its
 * reason.
 */
function timePlan(scaler: Taskscaler): number {
  const later = systemClock.now() + 2 * policy.idleTimeMs
  const begin = performance.now()
  for (let index = 0; index < plansPerRound; index++) plan(scaler.snapshot(), policy, later)
  return (performance.now() - begin) / plansPerRound
}

const fleets: Fleet[] = []
for (const size of sizes) fleets.push(await makeFleet(size))
const peers = [await makeGenericPool(peerSize), await makeTarn(peerSize)]
const subjects: Subject[] = [...fleets, ...peers]
const planMs = new Map(sizes.map((size) => [size, [] as number[]]))

for (const subject of subjects) await subject.run(subject.name === 'tarn' ? 2_000 : timesPerRound)
for (let round = 0; round < rounds; round++) {
  for (const subject of subjects) await timeOps(subject, subject.name === 'tarn' ? 2_000 : timesPerRound)
  for (const { scaler, size } of fleets) planMs.get(size)!.push(timePlan(scaler))
}

const ops = ({ nsPerOp }: Subject): number => Math.round(1e9 / median(nsPerOp))
console.table(
  subjects.map((subject) => {
    const fleet = fleets.find((other) => other === subject)
    return {
      subject: subject.name,
      instances: subject.size,
      'ops/s': ops(subject),
      'ns/op': Math.round(median(subject.nsPerOp)),
      'plan() ms': fleet && Number(median(planMs.get(fleet.size)!).toFixed(4)),
      'bytes/instance': fleet?.bytesPerInstance,
    }
  }),
)
const bySize = <T extends Subject>(all: readonly T[], value: (subject: T) => number): Record<string, number> =>
  Object.fromEntries(all.map((subject) => [subject.size, value(subject)]))
console.log(
  `BENCH ${JSON.stringify({
    ops: bySize(fleets, ops),
    genericPool: bySize([peers[0]!], ops),
    tarn: bySize([peers[1]!], ops),
    planMs: bySize(fleets, ({ size }) => Number(median(planMs.get(size)!).toFixed(4))),
    bytesPerInstance: fleets.find(({ size }) => size === peerSize)!.bytesPerInstance,
  })}`,
)
for (const { scaler } of fleets) await scaler.shutdown({ removeInstances: false })
process.exit(0)
