import type { Bug } from './bugs.ts'
import { type Played, play } from './play.ts'
import type { Scenario, Step } from './scenario.ts'
import type { Broken } from './witness.ts'

/** A scenario that breaks a promise, and how. */
export interface Found {
  readonly scenario: Scenario
  readonly played: Played
}

/** More runs than this are not made to make a story shorter. */
const maxRuns = 400

/** The shortest scenario that can be found by leaving steps and waits out and that still breaks the same promise. */
export async function shrink(scenario: Scenario, promise: Broken, bug?: Bug): Promise<Found> {
  let found: Found = { scenario, played: await play(scenario, { bug }) }
  let runs = 0
  const tryWith = async (steps: readonly Step[]): Promise<boolean> => {
    runs += 1
    const shorter = { ...scenario, steps }
    const played = await play(shorter, { bug })
    if (played.violation?.promise !== promise) return false
    found = { scenario: shorter, played }
    return true
  }
  await tryWith(found.scenario.steps.slice(0, found.played.steps))
  for (
    let size = Math.ceil(found.scenario.steps.length / 2);
    size >= 1 && runs < maxRuns;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let start = 0; start < found.scenario.steps.length && runs < maxRuns; ) {
      const { steps } = found.scenario
      if (!(await tryWith([...steps.slice(0, start), ...steps.slice(start + size)]))) start += size
    }
  }
  for (let index = 0; index < found.scenario.steps.length && runs < maxRuns; index += 1) {
    const { steps } = found.scenario
    if (steps[index]!.afterMs > 0) await tryWith(steps.with(index, { ...steps[index]!, afterMs: 0 }))
  }
  return found
}
