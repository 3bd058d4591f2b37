import { stripVTControlCharacters, styleText } from 'node:util'
import { wordOutcome } from './expectation.ts'
import { type DemoJob, kindNames } from './job-kinds.ts'
import { quantiles } from './quantiles.ts'

/** A job of the demo after its end. */
export interface EndedJob {
  readonly id: number
  readonly job: DemoJob
  /** See `deviations`; none: it ended as it must. */
  readonly deviations: readonly string[]
  readonly state: string
  readonly failureReason: string | undefined
  readonly exitCode: number | undefined
  /** From its arrival to the first output of its script; undefined when there was none. */
  readonly waitMs: number | undefined
  /** From the hand-out to the end; 0 when it was never handed out. */
  readonly busyMs: number
  readonly trace: string
}

/** All that is reported in the end. */
export interface DemoRecord {
  readonly jobs: readonly EndedJob[]
  readonly instances: { readonly created: number; readonly peak: number }
  /** What of the demo is still there after the runner has stopped, each worded for people. */
  readonly leaked: readonly string[]
  /** What the runner did that the job API does not allow. */
  readonly violations: readonly string[]
  /** Instances' time, all added up. */
  readonly machineMs: number
  readonly elapsedMs: number
  readonly slots: number
}

/** The result as it is written with `--json`. */
export interface DemoResult {
  readonly jobs: {
    readonly total: number
    readonly asExpected: number
    readonly success: number
    readonly failed: number
    readonly canceled: number
  }
  /** From a job's arrival to the first output of its script; null when no script printed anything. */
  readonly waitMs: { readonly p50: number; readonly p95: number; readonly p99: number } | null
  readonly instances: { readonly created: number; readonly peak: number; readonly leaked: number }
  readonly seconds: number
}

export function resultOf({ jobs, instances, leaked, elapsedMs }: DemoRecord): DemoResult {
  const inState = (state: string): number => jobs.filter((job) => job.state === state).length
  return {
    jobs: {
      total: jobs.length,
      asExpected: jobs.filter(({ deviations }) => deviations.length === 0).length,
      success: inState('success'),
      failed: inState('failed'),
      canceled: inState('canceled'),
    },
    waitMs: quantiles(jobs.flatMap(({ waitMs }) => waitMs ?? [])) ?? null,
    instances: { ...instances, leaked: leaked.length },
    seconds: Math.round(elapsedMs / 100) / 10,
  }
}

/** Everything that is not as it should be, worded for people. */
export function complaintsOf(
  { jobs, leaked, violations, instances }: DemoRecord,
  maxInstances: number,
): readonly string[] {
  return [
    ...jobs.flatMap(({ id, job, deviations }) => deviations.map((deviation) => `job ${id}, ${job.kind}: ${deviation}`)),
    ...(instances.peak > maxInstances
      ? [`${instances.peak} instances at once, at most ${maxInstances} are allowed`]
      : []),
    ...leaked.map((what) => `left behind: ${what}`),
    ...violations.map((what) => `against the job API: ${what}`),
  ]
}

/** The table of outcomes, the figures, and the trace of one job, one string a line. */
export function renderReport(record: DemoRecord, isTerminal: boolean): readonly string[] {
  const { jobs, instances, leaked, machineMs, slots } = record
  const { waitMs, seconds, jobs: counts } = resultOf(record)
  const busyMs = jobs.reduce((sum, job) => sum + job.busyMs, 0)
  const table = kindNames.flatMap((kind) => {
    const those = jobs.filter(({ job }) => job.kind === kind)
    if (those[0] === undefined) return []
    const good = those.filter(({ deviations }) => deviations.length === 0).length
    return [
      [kind, String(those.length), good === those.length ? 'all' : `ONLY ${good}`, wordOutcome(those[0].job.expected)],
    ]
  })
  const sample = jobs.find(({ job }) => job.kind === 'masked secret') ?? jobs[0]
  const seconds1 = (ms: number): string => (ms / 1000).toFixed(1)
  return [
    ...renderTable([['kind of job', 'jobs', 'as expected', 'outcome'], ...table]),
    '',
    `jobs       ${counts.asExpected} of ${counts.total} as expected: ${counts.success} success, ${counts.failed} failed, ${counts.canceled} canceled`,
    waitMs === null
      ? 'waits      none: no script printed anything'
      : `waits      p50 ${waitMs.p50} ms, p95 ${waitMs.p95} ms, p99 ${waitMs.p99} ms from arrival to the first output of the script`,
    `instances  ${instances.created} made, ${instances.peak} at most at once, ${leaked.length} left behind`,
    `time       ${seconds1(machineMs)} machine-seconds of ${slots} slots each for ${seconds1(busyMs)} job-seconds (${percent(busyMs, machineMs * slots)} of the slots' time), ${seconds} s in all`,
    '',
    ...(sample === undefined
      ? []
      : [`trace of job ${sample.id}, ${sample.job.kind}:`, ...renderTrace(sample.trace, isTerminal)]),
  ]
}

function renderTable(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row, index) => {
    const line = row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd()
    return index === 0 ? styleText('bold', line) : line
  })
}

/** As a log viewer shows it: section markers are not, colours only where they can be. */
function renderTrace(trace: string, isTerminal: boolean): readonly string[] {
  const shown = trace.replaceAll(/section_(?:start|end):\d+:[^\r]*\r\x1b\[0K/g, '')
  const text = isTerminal ? shown : stripVTControlCharacters(shown)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  | ${line}`)
}

function percent(part: number, whole: number): string {
  return `${whole === 0 ? 0 : Math.round((part / whole) * 100)} %`
}
