import { silentLogger } from '@runner-core/fleeting'
import { Provisioner, withCallBudget } from '@runner-core/fleeting/provisioner'
import { type ManualClock, seededRandom } from '@runner-core/fleeting/testing'
import { Taskscaler } from '@runner-core/taskscaler'
import { type CloudName, startCloud } from '@runner-core/testkit/clouds/cloud-under-bench'
import { connection } from '@runner-core/testkit/clouds/connection'
import { SteppedTime } from '@runner-core/testkit/clouds/stepped-time'
import { jobArrivals } from './job-arrivals.ts'

const instances = 1000
const lags = { appearMs: 2000, bootMs: 30_000, deleteMs: 20_000 }
const hourMs = 3_600_000
const never = new AbortController().signal

/** What one cloud's fake saw in the simulated time. */
export interface HourFigures {
  /** Calls from the first pass, which plans and asks for all instances, until the cloud had accepted them all. */
  readonly burstCalls: number
  /** Calls from then until all were ready: lists, and how to connect to each. */
  readonly bootCalls: number
  readonly jobs: number
  readonly calls: number
  /** Of these, how many the cloud refused: as too many, since nothing else is wrong here. */
  readonly refused: number
  readonly callsPerJob: number
  readonly p99DecisionMs: number
  /** The longest that a job waited for its slot, milliseconds of simulated time. */
  readonly longestWaitMs: number
}

/**
 * Provisioner, taskscaler, call budget, plugin and SDK as in a runner, over HTTP to the fake: 1,000 instances in one
 * burst, then 10,000 jobs in an hour.
 */
export async function simulateHour(name: CloudName): Promise<HourFigures> {
  const time = new SteppedTime()
  const { clock } = time
  await using cloud = await startCloud[name]({ clock, maxSize: instances, lags })
  Object.assign(process.env, cloud.env)
  const context = { fleet: 'bench', connector: {}, logger: silentLogger, clock, random: seededRandom(1) }
  const group = withCallBudget(
    time.watch(cloud.createInstanceGroup(cloud.pluginConfig, context), cloud.controls),
    context,
  )
  const provisioner = await time.until(
    Provisioner.start(
      { group, connector: { connect: async () => connection }, maxInstances: instances, clock, random: context.random },
      never,
    ),
  )
  const allCalls = () => cloud.controls.calls?.() ?? []
  const count = (): number => allCalls().length

  const before = count()
  const policies = [
    { periods: ['* * * * *'], idleCount: instances, idleTimeMs: hourMs, scaleFactor: 0, scaleFactorLimit: 0 },
  ]
  const scaler = await time.until(
    Taskscaler.start({ provisioner, onDispose: 'keep-instances', policies, clock }, never),
  )
  const isAccepted = (): boolean => {
    const { outstanding, known } = provisioner.launchState()
    return (
      outstanding.every(({ phase }) => phase === 'accepted') &&
      outstanding.reduce((sum, launch) => sum + launch.count, known) === instances
    )
  }
  while (!isAccepted()) await time.pass(250)
  const burstCalls = count() - before
  while (scaler.status().tasks.idle < instances) await time.pass(1000)
  const bootCalls = count() - before - burstCalls

  const begun = count()
  const figures = await runJobs(scaler, time, clock)
  const calls = allCalls().slice(begun)
  const ending = scaler.shutdown({ removeInstances: false })
  await time.until(ending)
  return {
    burstCalls,
    bootCalls,
    ...figures,
    calls: calls.length,
    refused: calls.filter(({ status }) => status >= 400).length,
    callsPerJob: calls.length / figures.jobs,
  }
}

async function runJobs(
  scaler: Taskscaler,
  time: SteppedTime,
  clock: ManualClock,
): Promise<Pick<HourFigures, 'jobs' | 'p99DecisionMs' | 'longestWaitMs'>> {
  const arrivals = [...jobArrivals()]
  const decisions: number[] = []
  const beganAt = clock.now()
  let done = 0
  let longestWaitMs = 0
  const run = async (durationMs: number): Promise<void> => {
    const askedAt = clock.now()
    const acquisition = await scaler.acquire(scaler.reserve())
    longestWaitMs = Math.max(longestWaitMs, clock.now() - askedAt)
    await acquisition.connect()
    clock.after(durationMs, () => {
      scaler.release(acquisition)
      done += 1
    })
  }
  let next = 0
  const total = arrivals.length
  await time.pass(hourMs, () => {
    const now = clock.now() - beganAt
    for (let job = arrivals[next]; job !== undefined && job.atMs <= now; job = arrivals[next]) {
      next += 1
      void run(job.durationMs)
    }
    const startedAt = performance.now()
    scaler.plan()
    decisions.push(performance.now() - startedAt)
  })
  const inUse = scaler.status().tasks.acquired
  if (next !== total || done + inUse !== total)
    throw new Error(`of ${total} jobs ${next} arrived, ${done} ended and ${inUse} run`)
  return { jobs: total, p99DecisionMs: percentile(decisions, 0.99), longestWaitMs }
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0
}
