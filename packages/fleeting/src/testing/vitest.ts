/**
 * The conformance suite as vitest tests.
 *
 * @module
 */
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { ConformanceOptions, MakeGroup } from './conformance/conformance-options.ts'
import { ConformanceRun } from './conformance/conformance-run.ts'
import { conformanceCases } from './conformance/run-conformance.ts'
import { waitLine } from './conformance/text-report.ts'

/**
 * Declares a test for each rule of the contract, on one group. What the group or the options do not allow shows up as
 * skipped, with the reason. Raise `patienceMs` for machines that boot slowly; each test may take five times as long.
 * What a test waits for longer than some seconds is printed.
 */
export function describeInstanceGroup(name: string, makeGroup: MakeGroup, options: ConformanceOptions = {}): void {
  const timeout = 5 * (options.patienceMs ?? 300_000)
  describe(name, () => {
    let run: ConformanceRun
    beforeAll(async () => {
      run = await ConformanceRun.start(makeGroup, { onWait: (wait) => console.warn(waitLine(wait)), ...options })
    }, timeout)
    for (const conformanceCase of conformanceCases) {
      test(conformanceCase.name, { timeout }, async ({ skip }) => {
        const outcome = await run.run(conformanceCase)
        if (outcome.outcome === 'skipped') skip(outcome.reason)
        if (outcome.outcome === 'failed') throw outcome.error
      })
    }
    afterAll(async () => {
      const outcome = await run.finish()
      if (outcome.outcome === 'failed') throw outcome.error
    }, timeout)
  })
}
