import { expect, test } from 'vitest'
import { type Bug, World, type WorldSetting } from '../../src/index.ts'

const second = 1000
export const minute: number = 60 * second
export const hour: number = 60 * minute

/** A prompt, honest cloud where a machine boots in 30 s, and a manager that keeps nothing in reserve. */
const plain: WorldSetting = {
  capacityPerInstance: 1,
  maxUseCount: 0,
  maxInstances: 5,
  requestConcurrency: 2,
  tells: { ids: true, tokens: true, idempotent: true },
  appearMs: [0, 0],
  bootMs: [30 * second, 30 * second],
  deleteMs: [5 * second, 5 * second],
  callMs: 50,
  listLagMs: 0,
  healthChecks: false,
  detaches: true,
  shell: 'sh',
  latencyMs: 0,
  noticeMs: [0, 0],
  unknownInstances: 'report',
  schedule: 0,
}

export interface Outage {
  /** What happened to others, and where it is told. */
  readonly story: string
  readonly setting?: Partial<WorldSetting>
  /** What must be true where the same happens to us; rejects when it is not. */
  readonly holds: (world: World) => Promise<void>
  /** How those others were made: with it, what must be true is not. */
  readonly mistake: Omit<Bug, 'breaks'>
}

/** Declares a test: the outage does not happen to us, and it would if we were made as those were to whom it did. */
export function outage(name: string, { setting, holds, mistake }: Outage): void {
  const run = async (bug?: Bug): Promise<void> => {
    const world = new World(1, { ...plain, ...setting }, { bug })
    await world.advance(minute)
    await holds(world)
    expect(world.violations).toEqual([])
    await world.settle()
    expect(world.violations).toEqual([])
  }
  test(name, async () => {
    await run()
    await expect(
      run({ ...mistake, breaks: 1 }),
      `with this mistake nothing is noticed: ${mistake.name}`,
    ).rejects.toThrow()
  })
}

/** Machines that the cloud has now. */
export function machines(world: World): readonly string[] {
  return world.cloud.ids
}

/** How many launches the cloud was asked for. */
export function launches(world: World): number {
  return world.cloud.calls.filter(({ operation }) => operation === 'increase').length
}

/** Where a job ran, each time that it did. */
export function placesOf(world: World, job: string): readonly string[] {
  return world.started.filter((started) => started.job === job).map(({ instanceId }) => instanceId)
}

/** Lets a job come, and time pass until it runs: the machine. */
export async function runsWithin(world: World, ms: number, durationMs = 4.5 * minute): Promise<string> {
  const { name } = world.coordinator.enqueue(durationMs)
  for (let waited = 0; waited < ms && placesOf(world, name).length === 0; waited += second) await world.advance(second)
  expect(world.violations).toEqual([])
  const [place] = placesOf(world, name)
  expect(place, `${name} does not run within ${ms / second} s`).toBeDefined()
  return place!
}
