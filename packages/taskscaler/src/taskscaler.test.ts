import { ConnectionError, GroupError } from '@runner-core/fleeting'
import { ManualClock, MemoryGroup, type MemoryGroupOptions, seededRandom, simpleShell } from '@runner-core/fleeting/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { type Acquisition, AlreadyEndedError, InstanceLostError, NoCapacityError } from './acquisition.ts'
import type { IdlePolicy } from './policy.ts'
import { QueueDepth } from './queue-depth.ts'
import { Taskscaler } from './taskscaler.ts'
import type { TaskscalerOptions } from './taskscaler-options.ts'

const policy: IdlePolicy = {
  periods: ['* * * * *'],
  timezone: 'UTC',
  idleCount: 0,
  idleTimeMs: 60_000,
  scaleFactor: 0,
  scaleFactorLimit: 0,
}

interface Rig {
  readonly clock: ManualClock
  readonly group: MemoryGroup
  readonly scaler: Taskscaler
}

const running: Taskscaler[] = []

async function rig(
  options: Partial<Omit<TaskscalerOptions, 'provisioner'>> & {
    maxInstances?: number
    group?: Partial<MemoryGroupOptions>
    existing?: number
  } = {},
): Promise<Rig> {
  const { maxInstances = 10, group: groupOptions, existing = 0, ...rest } = options
  const clock = new ManualClock()
  const group = new MemoryGroup({ clock, shell: simpleShell, bootDelayMs: 30_000, deleteDelayMs: 5_000, ...groupOptions })
  for (let made = 0; made < existing; made++) group.addForeign()
  const starting = Taskscaler.start({ provisioner: { group, maxInstances, random: seededRandom(1) }, policies: [policy], clock, ...rest })
  await clock.advance(0)
  const scaler = await starting
  running.push(scaler)
  await clock.advance(0)
  return { clock, group, scaler }
}

afterEach(async () => {
  for (const scaler of running.splice(0)) await scaler.shutdown({ removeInstances: false })
})

/** What became of a promise so far. */
function watch<T>(promise: Promise<T>): { value?: T; error?: unknown } {
  const outcome: { value?: T; error?: unknown } = {}
  promise.then(
    (value) => (outcome.value = value),
    (error) => (outcome.error = error),
  )
  return outcome
}

const acquireNow = async ({ scaler, clock }: Rig): Promise<Acquisition> => {
  const outcome = watch(scaler.acquire(scaler.reserve()))
  for (let waited = 0; outcome.value === undefined && waited < 300; waited++) await clock.advance(1000)
  if (outcome.value === undefined) throw outcome.error ?? new Error('no slot within 300 s')
  return outcome.value
}

describe('one job', () => {
  test('an instance is made for it, lent once it is ready, kept for idle_time, and removed', async () => {
    const { clock, group, scaler } = await rig()
    const reservation = scaler.reserve({ speculative: true })
    expect(reservation.kind).toBe('promised')
    await clock.advance(60_000)
    expect(group.ids).toEqual([])
    const outcome = watch(scaler.acquire(reservation))
    await clock.advance(29_000)
    expect(group.ids.length).toBe(1)
    expect(outcome).toEqual({})
    await clock.advance(5_000)
    expect(outcome.value).toMatchObject({ slot: 0, useCount: 1, instanceId: group.ids[0] })
    const connection = await outcome.value!.connect()
    expect(await (await connection.exec('true')).closed).toEqual({ code: 0 })
    await clock.advance(3_600_000)
    expect(group.ids.length).toBe(1)
    scaler.release(outcome.value!)
    await clock.advance(59_000)
    expect(group.ids.length).toBe(1)
    await clock.advance(10_000)
    expect(group.ids).toEqual([])
    expect(scaler.counters).toMatchObject({ tasks: { reserve: 1, acquire: 1, release: 1 }, scale: { up: 1, down: 1 } })
  })
})
