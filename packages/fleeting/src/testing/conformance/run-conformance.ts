import { abortCases } from './abort-cases.ts'
import { callCases } from './call-cases.ts'
import { capabilityCases } from './capability-cases.ts'
import { concurrencyCases } from './concurrency-cases.ts'
import type { ConformanceCase } from './conformance-case.ts'
import type { ConformanceOptions, MakeGroup } from './conformance-options.ts'
import { type ConformanceOutcome, ConformanceRun } from './conformance-run.ts'
import { connectCases } from './connect-cases.ts'
import { decreaseCases } from './decrease-cases.ts'
import { describeCases } from './describe-cases.ts'
import { faultCases } from './fault-cases.ts'
import { increaseCases } from './increase-cases.ts'
import { initCases } from './init-cases.ts'
import { launchFailureCases } from './launch-failure-cases.ts'
import { listCases } from './list-cases.ts'
import { lostAnswerCases } from './lost-answer-cases.ts'
import { otherPeopleCases } from './other-people-cases.ts'
import { ownerCases } from './owner-cases.ts'
import { stateCases } from './state-cases.ts'

/** Every rule of the contract that can be checked from outside. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...initCases,
  ...listCases,
  ...describeCases,
  ...callCases,
  ...increaseCases,
  ...launchFailureCases,
  ...decreaseCases,
  ...concurrencyCases,
  ...otherPeopleCases,
  ...ownerCases,
  ...stateCases,
  ...connectCases,
  ...faultCases,
  ...lostAnswerCases,
  ...abortCases,
  ...capabilityCases,
]

export interface ConformanceReport {
  readonly outcomes: readonly ConformanceOutcome[]
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** How often each operation of the cloud's API was called. Absent: nobody counted. */
  readonly calls?: Readonly<Record<string, number>>
}

/**
 * Runs the whole suite on one group, without a test runner, one case after the other. A group that cannot even be
 * initialised fails as the case `init`.
 */
export async function runConformance(
  makeGroup: MakeGroup,
  options: ConformanceOptions = {},
): Promise<ConformanceReport> {
  try {
    return await runCases(await ConformanceRun.start(makeGroup, options))
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    return reportOf([{ name: 'init', durationMs: 0, notes: [], outcome: 'failed', error }])
  }
}

export interface RunCasesOptions {
  /** Default: all. */
  readonly cases?: readonly ConformanceCase[]
  /** Called after each case. */
  readonly onOutcome?: (outcome: ConformanceOutcome) => void
}

/** Runs cases on a group that has been started, and ends it. */
export async function runCases(
  run: ConformanceRun,
  { cases = conformanceCases, onOutcome = () => {} }: RunCasesOptions = {},
): Promise<ConformanceReport> {
  const outcomes: ConformanceOutcome[] = []
  const record = (outcome: ConformanceOutcome): void => {
    outcomes.push(outcome)
    onOutcome(outcome)
  }
  for (const conformanceCase of cases) record(await run.run(conformanceCase))
  record(await run.finish())
  return reportOf(outcomes, run.calls)
}

function reportOf(outcomes: readonly ConformanceOutcome[], calls?: ConformanceReport['calls']): ConformanceReport {
  const count = (wanted: ConformanceOutcome['outcome']): number =>
    outcomes.filter(({ outcome }) => outcome === wanted).length
  return {
    outcomes,
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('skipped'),
    ...(calls !== undefined && { calls }),
  }
}
