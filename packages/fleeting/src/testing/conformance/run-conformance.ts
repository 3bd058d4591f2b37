import type { InstanceGroup } from '../../instance-group.ts'
import { abortCases } from './abort-cases.ts'
import { capabilityCases } from './capability-cases.ts'
import type { ConformanceCase } from './conformance-case.ts'
import { type ConformanceOptions, type ConformanceOutcome, ConformanceRun } from './conformance-run.ts'
import { connectCases } from './connect-cases.ts'
import { decreaseCases } from './decrease-cases.ts'
import { increaseCases } from './increase-cases.ts'
import { initCases } from './init-cases.ts'

/** Every rule of the contract that can be checked from outside. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...initCases,
  ...increaseCases,
  ...decreaseCases,
  ...connectCases,
  ...abortCases,
  ...capabilityCases,
]

export interface ConformanceReport {
  readonly outcomes: readonly ConformanceOutcome[]
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** Runs the whole suite on one group, without a test runner, one case after the other. A group that cannot even be initialised fails as the case `init`. */
export async function runConformance(
  makeGroup: () => InstanceGroup | Promise<InstanceGroup>,
  options: ConformanceOptions = {},
): Promise<ConformanceReport> {
  const outcomes: ConformanceOutcome[] = []
  const record = async (name: string, act: () => Promise<void>): Promise<void> => {
    try {
      await act()
      outcomes.push({ name, outcome: 'passed' })
    } catch (thrown) {
      outcomes.push({ name, outcome: 'failed', error: thrown instanceof Error ? thrown : new Error(String(thrown)) })
    }
  }
  let run: ConformanceRun | undefined
  await record('init', async () => {
    run = await ConformanceRun.start(await makeGroup(), options)
  })
  if (run !== undefined) {
    const started = run
    for (const conformanceCase of conformanceCases) {
      const reason = started.skipReason(conformanceCase)
      if (reason !== undefined) outcomes.push({ name: conformanceCase.name, outcome: 'skipped', reason })
      else await record(conformanceCase.name, () => started.run(conformanceCase))
    }
    await record('nothing is left, and the group shuts down', () => started.finish())
  }
  const count = (wanted: ConformanceOutcome['outcome']): number => outcomes.filter(({ outcome }) => outcome === wanted).length
  return { outcomes, passed: count('passed'), failed: count('failed'), skipped: count('skipped') }
}
