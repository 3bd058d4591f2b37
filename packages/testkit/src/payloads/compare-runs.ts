import { isDeepStrictEqual } from 'node:util'
import { type MeantDifference, meantDifferences } from './meant-differences.ts'
import { type RecordedField, type RecordedJob, type RecordedRun, recordedFields } from './recorded-run.ts'

/** One thing about one payload that two runners did in different ways. */
export interface Difference {
  readonly payload: string
  readonly field: RecordedField
  /** `+` what only the one has, `-` what only the other has. None: another order, or another number of the same. */
  readonly lines: readonly string[]
  /** Why it is meant; undefined: it is not. */
  readonly reason: string | undefined
}

/**
 * All differences between two runs, in the order of the payloads: of a list one for each reason that covers some of its
 * lines. What only one of them has is not looked at.
 */
export function compareRuns(
  one: RecordedRun,
  other: RecordedRun,
  meant: readonly MeantDifference[] = meantDifferences,
): readonly Difference[] {
  return both(one, other).flatMap(([job, peer]) =>
    recordedFields
      .filter((field) => !isDeepStrictEqual(job[field], peer[field]))
      .flatMap((field) => explained(job.name, field, [job[field], peer[field]], meant)),
  )
}

function explained(
  payload: string,
  field: RecordedField,
  [mine, theirs]: readonly [RecordedJob[RecordedField], RecordedJob[RecordedField]],
  meant: readonly MeantDifference[],
): readonly Difference[] {
  const candidates = meant.filter((each) => each.field === field && concerns(each, payload))
  const lines = [
    ...onlyIn(asLines(mine), asLines(theirs)).map((line) => `+ ${line}`),
    ...onlyIn(asLines(theirs), asLines(mine)).map((line) => `- ${line}`),
  ]
  const reasonOf = (line: string | undefined): string | undefined =>
    candidates.find(({ lines: covered }) => covered === undefined || (line !== undefined && covered.test(line)))?.reason
  // What is no list differs as a whole.
  const asOne = !Array.isArray(mine) || lines.length === 0
  if (asOne) return [{ payload, field, lines, reason: reasonOf(lines.length === 0 ? undefined : lines.join('\n')) }]
  const reasons = new Set(lines.map(reasonOf))
  return [...reasons].map((reason) => ({
    payload,
    field,
    lines: lines.filter((line) => reasonOf(line) === reason),
    reason,
  }))
}

function concerns({ payloads }: MeantDifference, payload: string): boolean {
  return payloads === 'all' || payloads.includes(payload)
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
export function comparisonTable(
  one: RecordedRun,
  other: RecordedRun,
  differences: readonly Difference[] = compareRuns(one, other),
): string {
  const rows = both(one, other).map(([job, peer]) => [
    job.name,
    ...recordedFields.map((field) => {
      const here = differences.filter((each) => each.payload === job.name && each.field === field)
      if (here.length === 0)
        return field === 'trace' || field === 'stages' || field === 'artifacts' ? 'same' : brief(job[field])
      const how = here.some(({ reason }) => reason === undefined) ? 'DIFFERENT' : 'meant'
      if (field === 'trace') {
        const [mine, theirs] = [onlyIn(job.trace, peer.trace).length, onlyIn(peer.trace, job.trace).length]
        return `${how}: ${mine}+ ${theirs}-`
      }
      if (field === 'stages' || field === 'artifacts') return `${how}: ${job[field].length} / ${peer[field].length}`
      return `${how}: ${brief(job[field])} / ${brief(peer[field])}`
    }),
  ])
  return aligned([['payload', 'state', 'exit', 'reason', 'stages', 'artifacts', 'trace'], ...rows])
}

/** Each difference in full: what only one has of lists, both of what is no list. */
export function differencesText(differences: readonly Difference[]): string {
  return differences
    .map(({ payload, field, lines, reason }) => {
      const title = `${payload}: ${field}${reason === undefined ? '' : `, meant: ${reason}`}`
      const shown = lines.length === 0 ? ['another order, or another number of the same'] : lines
      return [title, ...shown.map((line) => `  ${line}`)].join('\n')
    })
    .join('\n')
}

const asLines = (value: RecordedJob[RecordedField]): readonly string[] =>
  typeof value === 'object' && value !== null ? value : [brief(value)]
const brief = (value: string | number | null): string => (value === null ? '' : String(value))
const onlyIn = (lines: readonly string[], others: readonly string[]): readonly string[] =>
  lines.filter((line) => !others.includes(line))

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
