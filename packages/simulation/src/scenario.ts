import type { Random } from '@runner-core/fleeting'
import { seededRandom } from '@runner-core/fleeting/testing'
import {
  containerStepNames,
  hostStepNames,
  logStepNames,
  memberStepNames,
  ownerStepNames,
  projectStepNames,
  rareStepNames,
  type StepName,
  stepNames,
} from './steps.ts'
import type { WorldSetting } from './world-setting.ts'

/**
 * Something that happens, so long after what happened before. What `n` means depends on what it is: a number, a size,
 * one of several.
 */
export interface Step {
  readonly afterMs: number
  readonly name: StepName
  readonly n: number
}

/** All that is needed to play a run again. */
export interface Scenario {
  readonly seed: number
  readonly setting: WorldSetting
  readonly steps: readonly Step[]
}

const waitsMs = [0, 0, 0, 1, 300, 2000, 2000, 7000, 20_000, 65_000] as const

/** What there must be for anything else to matter. */
const always: readonly StepName[] = ['job', 'jobs', 'longJob', 'wait']

/** The scenario of a seed: always the same one. `focus`: half of its steps are among these. */
export function scenarioOf(seed: number, focus: readonly StepName[] = []): Scenario {
  const random = seededRandom(seed)
  // Neighbouring seeds begin alike.
  for (let skipped = 0; skipped < 10; skipped += 1) random()
  const setting = drawSetting(random)
  const count = 15 + Math.floor(random() * 45)
  const steps = Array.from({ length: count }, (): Step => {
    const names = focus.length > 0 && random() < 0.7 ? [...focus, ...focus, ...always] : stepNames
    return { afterMs: one(random, waitsMs), name: one(random, names), n: whole(random, 0, 999) }
  })
  let scenario: Scenario = { seed, setting, steps }
  for (const batch of rareBatches) scenario = withRareParts(scenario, focus, batch)
  return scenario
}

/** For each batch, one seed in so many has what came to the world later. */
const rareEvery = 5

/** What came to the world at one time. */
interface RareBatch {
  readonly salt: number
  /** What any world may meet. */
  readonly steps: readonly StepName[]
  /** What only worlds of some kind may meet. */
  readonly kinds: readonly {
    readonly steps: readonly StepName[]
    readonly chance: number
    readonly setting: Partial<WorldSetting>
  }[]
}

const rareBatches: readonly RareBatch[] = [
  {
    salt: 0x5bd1e995,
    steps: rareStepNames,
    kinds: [
      { steps: ownerStepNames, chance: 0.4, setting: { holdsOwner: true } },
      { steps: logStepNames, chance: 0.4, setting: { keepsLog: true } },
    ],
  },
  {
    salt: 0x165667b1,
    steps: [],
    kinds: [
      { steps: memberStepNames, chance: 0.4, setting: { members: ['a', 'b'] } },
      { steps: hostStepNames, chance: 0.3, setting: { hasHosts: true, holdsOwner: false } },
      { steps: projectStepNames, chance: 0.3, setting: { projects: 2 } },
    ],
  },
  {
    salt: 0x6145190b,
    steps: [],
    kinds: [{ steps: containerStepNames, chance: 1, setting: { inContainers: true } }],
  },
]

/**
 * Adds what came to the world later, each batch drawn from a stream of its own: the stories of all other seeds stay as
 * they were, and known seeds can be played again.
 */
function withRareParts(
  { seed, setting, steps }: Scenario,
  focus: readonly StepName[],
  { salt, ...batch }: RareBatch,
): Scenario {
  const random = seededRandom(seed ^ salt)
  for (let skipped = 0; skipped < 10; skipped += 1) random()
  const isRare = whole(random, 1, rareEvery) === 1
  const kinds = batch.kinds.filter(
    (kind) => (isRare && random() < kind.chance) || focus.some((name) => kind.steps.includes(name)),
  )
  const names = [...batch.steps, ...kinds.flatMap((kind) => [...kind.steps, ...kind.steps])]
  const all = [...steps]
  if (isRare && names.length > 0) {
    for (let left = whole(random, 1, 4); left > 0; left -= 1) {
      const step = { afterMs: one(random, waitsMs), name: one(random, names), n: whole(random, 0, 999) }
      all.splice(whole(random, 3, all.length), 0, step)
    }
  }
  return { seed, setting: Object.assign({}, setting, ...kinds.map((kind) => kind.setting)), steps: all }
}

function drawSetting(random: Random): WorldSetting {
  const lag = one(random, [0, 0, 0, 1000, 3000])
  return {
    capacityPerInstance: one(random, [1, 1, 2, 3]),
    maxUseCount: one(random, [0, 0, 0, 1, 3]),
    maxInstances: whole(random, 1, 5),
    requestConcurrency: whole(random, 1, 4),
    tells: one(random, [
      { ids: true, tokens: true, idempotent: true },
      { ids: true, tokens: true, idempotent: true },
      { ids: true, tokens: false, idempotent: false },
      { ids: false, tokens: true, idempotent: false },
      { ids: false, tokens: false, idempotent: true },
      { ids: false, tokens: false, idempotent: false },
    ]),
    appearMs: one(random, [
      [0, 0],
      [0, 0],
      [0, 5000],
    ] as const),
    bootMs: one(random, [
      [0, 0],
      [2000, 20_000],
      [5000, 60_000],
    ] as const),
    deleteMs: one(random, [
      [0, 0],
      [0, 20_000],
    ] as const),
    callMs: one(random, [0, 0, 50, 700]),
    listLagMs: lag,
    healthChecks: random() < 0.25,
    detaches: random() < 0.8,
    shell: one(random, ['sh', 'bash']),
    latencyMs: one(random, [0, 0, 20, 400]),
    noticeMs: one(random, [
      [0, 0],
      [0, 30_000],
    ] as const),
    unknownInstances: one(random, ['report', 'remove']),
    schedule: whole(random, 0, 4),
  }
}

function one<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!
}

function whole(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1))
}
