import { describeError } from '../../contract/describe-error.ts'
import type { ConformanceOutcome } from './conformance-run.ts'
import type { ConformanceWait } from './long-waits.ts'
import type { ConformanceReport } from './run-conformance.ts'

/** One case as people read it, while the run goes on. */
export function outcomeLines(outcome: ConformanceOutcome, number: number, total: number): readonly string[] {
  const place = `${String(number).padStart(String(total).length)}/${total}`
  const took = outcome.outcome === 'skipped' ? '' : ` (${duration(outcome.durationMs)})`
  return [
    `${place} ${outcome.outcome.padEnd(7)} ${outcome.name}${took}`,
    ...whyOf(outcome).map((line) => `    ${line}`),
    ...outcome.notes.map((note) => `    ${note}`),
  ]
}

/** A case that waits, as people read it. */
export function waitLine({ name, what, waitedMs, patienceMs }: ConformanceWait): string {
  return `${name}: waits for ${what} (${duration(waitedMs)} so far, at most ${duration(patienceMs)})`
}

/** The end of the report: what failed, once more, and the counts. */
export function summaryLines({ outcomes, passed, failed, skipped, calls }: ConformanceReport): readonly string[] {
  const failures = outcomes.filter((outcome) => outcome.outcome === 'failed')
  return [
    ...failures.flatMap((outcome) => ['', `failed: ${outcome.name}`, ...whyOf(outcome).map((line) => `  ${line}`)]),
    '',
    ...(calls === undefined ? [] : [callLine(calls)]),
    `${passed} passed, ${failed} failed, ${skipped} skipped`,
  ]
}

function callLine(calls: Readonly<Record<string, number>>): string {
  const counts = Object.entries(calls).toSorted(([, a], [, b]) => b - a)
  const total = counts.reduce((sum, [, count]) => sum + count, 0)
  return `${total} calls to the cloud: ${counts.map(([operation, count]) => `${operation} ${count}`).join(', ')}`
}

function whyOf(outcome: ConformanceOutcome): readonly string[] {
  if (outcome.outcome === 'skipped') return [outcome.reason]
  if (outcome.outcome === 'failed') return describeError(outcome.error).split('\n')
  return []
}

function duration(ms: number): string {
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1000)} s`
}
