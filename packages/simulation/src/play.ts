import type { Scenario } from './scenario.ts'
import { act } from './steps.ts'
import { type LogLine, type Violation, World, type WorldOptions } from './world.ts'

/** What came of a run. */
export interface Played {
  /** Undefined: every promise was kept. */
  readonly violation: Violation | undefined
  readonly steps: number
  /** How often a manager was killed at an effect, or between. */
  readonly kills: number
  readonly log: readonly LogLine[]
}

/** Plays a scenario to its end, or until a promise is broken. The same scenario always goes the same way. */
export async function play({ seed, setting, steps }: Scenario, options?: WorldOptions): Promise<Played> {
  using world = new World(seed, setting, options)
  let played = 0
  for (const { afterMs, name, n } of steps) {
    await world.advance(afterMs)
    if (world.violations.length > 0) break
    const what = act(world, name, n)
    if (what !== undefined) world.note(what, true)
    await world.advance(0)
    played += 1
  }
  if (world.violations.length === 0) await world.settle()
  if (world.violations.length === 0) await world.end()
  return { violation: world.violations[0], steps: played, kills: world.kills, log: world.log }
}
