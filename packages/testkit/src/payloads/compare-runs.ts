import { isDeepStrictEqual } from 'node:util'
import { type MeantDifference, meantDifferences } from './meant-differences.ts'
import { type RecordedField, type RecordedJob, type RecordedRun, recordedFields } from './recorded-run.ts'

/** One thing about one payload that two runners did in different ways. */
export interface Difference {
  readonly payload: string
  readonly field: RecordedField
  /** Why it is meant; undefined: it is not. */
  readonly reason: string | undefined
}

/** All differences between two runs, in the order of the payloads. What only one of them has is not looked at. */
export function compareRuns(
  one: RecordedRun,
  other: RecordedRun,
  meant: readonly MeantDifference[] = meantDifferences,
): readonly Difference[] {
  return both(one, other).flatMap(([job, peer]) =>
    recordedFields
      .filter((field) => !isDeepStrictEqual(job[field], peer[field]))
      .map((field) => ({
        payload: job.name,
        field,
        reason: meant.find((each) => covers(each, job.name, field))?.reason,
      })),
  )
}

function covers({ field, payloads }: MeantDifference, payload: string, of: RecordedField): boolean {
  return field === of && (payloads === 'all' || payloads.includes(payload))
}

/** The payloads that both have. */
function both(one: RecordedRun, other: RecordedRun): readonly (readonly [RecordedJob, RecordedJob])[] {
  const peers = new Map(other.jobs.map((job) => [job.name, job]))
  return one.jobs.flatMap((job) => {
    const peer = peers.get(job.name)
    return peer === undefined ? [] : [[job, peer] as const]
  })
}

/** A table, a line for each payload: what both did, or what each did where they differ. */
export function comparisonTable(one: RecordedRun, other: RecordedRun): string {
  const differences = compareRuns(one, other)
  const rows = both(one, other).map(([job, peer]) => [
    job.name,
    ...recordedFields.map((field) => {
      const difference = differences.find((each) => each.payload === job.name && each.field === field)
      if (difference === undefined)
        return field === 'trace' || field === 'stages' || field === 'artifacts' ? 'same' : brief(job[field])
      const how = difference.reason === undefined ? 'DIFFERENT' : 'meant'
      if (field === 'trace') return `${how}: ${onlyIn(job.trace, peer.trace)}+ ${onlyIn(peer.trace, job.trace)}-`
      if (field === 'stages' || field === 'artifacts') return `${how}: ${job[field].length} / ${peer[field].length}`
      return `${how}: ${brief(job[field])} / ${brief(peer[field])}`
    }),
  ])
  return aligned([['payload', 'state', 'exit', 'reason', 'stages', 'artifacts', 'trace'], ...rows])
}

/** Each difference in full: what only one has of lists, both of what is no list. */
export function differencesText(one: RecordedRun, other: RecordedRun): string {
  const peers = new Map(both(one, other).map(([job, peer]) => [job.name, [job, peer] as const]))
  return compareRuns(one, other)
    .map(({ payload, field, reason }) => {
      const [job, peer] = peers.get(payload)!
      const [mine, theirs] = [asLines(job[field]), asLines(peer[field])]
      const lines = [
        ...mine.filter((line) => !theirs.includes(line)).map((line) => `  + ${line}`),
        ...theirs.filter((line) => !mine.includes(line)).map((line) => `  - ${line}`),
      ]
      const title = `${payload}: ${field}${reason === undefined ? '' : `, meant: ${reason}`}`
      return [title, ...(lines.length === 0 ? ['  another order, or another number of the same'] : lines)].join('\n')
    })
    .join('\n')
}

const asLines = (value: RecordedJob[RecordedField]): readonly string[] =>
  typeof value === 'object' && value !== null ? value : [brief(value)]
const brief = (value: string | number | null): string => (value === null ? '' : String(value))
const onlyIn = (lines: readonly string[], others: readonly string[]): number =>
  lines.filter((line) => !others.includes(line)).length

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
