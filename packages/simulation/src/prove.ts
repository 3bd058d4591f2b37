import type { Bug } from './bugs.ts'
import { play } from './play.ts'
import { scenarioOf } from './scenario.ts'
import { shrink } from './shrink.ts'
import { storyOf } from './story.ts'
import type { Broken } from './witness.ts'

export interface Proof {
  readonly runs: number
  readonly steps: number
  /** Kills of a manager, each at an effect of its own or between two. */
  readonly crashPoints: number
  readonly violations: readonly ProvenWrong[]
}

interface ProvenWrong {
  /** Plays it again. */
  readonly seed: number
  readonly promise: Broken
  readonly story: string
}

/** Stories are told of so many broken promises; the others are counted. */
const maxStories = 3

/** Plays the scenarios of the seeds, each to its end. */
export async function prove(seeds: Iterable<number>, bug?: Bug): Promise<Proof> {
  const violations: ProvenWrong[] = []
  let [runs, steps, crashPoints] = [0, 0, 0]
  for (const seed of seeds) {
    const scenario = scenarioOf(seed)
    const played = await play(scenario, { bug })
    runs += 1
    steps += played.steps
    crashPoints += played.kills
    const { promise } = played.violation ?? {}
    if (promise === undefined) continue
    const story = violations.length < maxStories ? storyOf(await shrink(scenario, promise, bug)) : ''
    violations.push({ seed, promise, story })
  }
  return { runs, steps, crashPoints, violations }
}

/**
 * Plays the scenarios of the seeds until one breaks the promise that the bug is said to break; undefined: none does.
 */
export async function findBug(
  bug: Bug,
  seeds: Iterable<number>,
): Promise<{ readonly seed: number; readonly runs: number } | undefined> {
  let runs = 0
  for (const seed of seeds) {
    runs += 1
    const { violation } = await play(scenarioOf(seed), { bug })
    if (violation?.promise === bug.breaks || typeof violation?.promise === 'string') return { seed, runs }
  }
  return undefined
}
