import { describeError } from '../contract/describe-error.ts'
import type { GroupInfo } from '../contract/instance-group.ts'
import type { ConformanceReport } from '../testing/conformance/run-conformance.ts'

/** The report for programs. */
export function jsonReport({ id, version, maxSize }: GroupInfo, { outcomes, ...counts }: ConformanceReport): string {
  const plain = outcomes.map((outcome) =>
    outcome.outcome === 'failed' ? { ...outcome, error: describeError(outcome.error) } : outcome,
  )
  // JSON has no Infinity.
  return JSON.stringify(
    { group: { id, version, maxSize: Number.isFinite(maxSize) ? maxSize : null }, ...counts, outcomes: plain },
    undefined,
    2,
  )
}
