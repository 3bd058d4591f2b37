import { crc32 } from 'node:zlib'
import { modeText } from './mode-text.ts'
import { normalLines, type Replacement } from './normal-trace.ts'
import type { JobResult, ResultUpload } from './payload.ts'
import { sectionsOf } from './trace-reading.ts'

/** What this runner did when it was written. */
export const ownRecord: URL = new URL('recorded/runner-core.json', import.meta.url)
/** What it did in containers. */
export const ownDockerRecord: URL = new URL('recorded/runner-core-docker.json', import.meta.url)
/** What a stock gitlab-runner did in containers. */
export const stockDockerRecord: URL = new URL('recorded/gitlab-runner-14.7.1-docker.json', import.meta.url)

/** What came of the payloads with one runner, in a form that can be kept and compared. */
export interface RecordedRun {
  readonly format: 1
  /** Name and version, as the runner says them. */
  readonly runner: string
  readonly jobs: readonly RecordedJob[]
}

export interface RecordedJob {
  readonly name: string
  readonly state: string
  readonly exitCode: number | null
  readonly failureReason: string | null
  /** Sections of the log as they begin. */
  readonly stages: readonly string[]
  /** A line for each upload, and one for each entry of it with mode, size and checksum. */
  readonly artifacts: readonly string[]
  /** The log as it is read, without what differs from run to run. */
  readonly trace: readonly string[]
}

/** What of a job is compared. */
export const recordedFields = ['state', 'exitCode', 'failureReason', 'stages', 'artifacts', 'trace'] as const
export type RecordedField = (typeof recordedFields)[number]

/** Puts results down; `replacements` are names for what is only so in this run. */
export function recordRun(
  runner: string,
  results: readonly JobResult[],
  replacements: readonly Replacement[],
): RecordedRun {
  return {
    format: 1,
    runner,
    jobs: results.map(({ name, state, exitCode, failureReason, trace, uploads }) => ({
      name,
      state,
      exitCode: exitCode ?? null,
      failureReason: failureReason ?? null,
      stages: sectionsOf(trace),
      artifacts: uploads.flatMap(uploadLines),
      trace: normalLines(trace, replacements),
    })),
  }
}

/** Reads a recorded run. Thrown: an `Error` that says what is wrong with it. */
export function parseRecordedRun(text: string): RecordedRun {
  const run = JSON.parse(text) as RecordedRun
  if (run.format !== 1) throw new Error(`a recorded run of format ${String(run.format)}: only format 1 is known`)
  const isWhole =
    typeof run.runner === 'string' &&
    Array.isArray(run.jobs) &&
    run.jobs.every((job) => recordedFields.every((field) => field in job))
  if (!isWhole) throw new Error(`a recorded run needs runner and jobs, each with name, ${recordedFields.join(', ')}`)
  return run
}

/** One job a line, so that a change shows as what it is. */
export function recordedRunText({ jobs, ...run }: RecordedRun): string {
  const lines = jobs.map((job) => `  ${JSON.stringify(job)}`)
  return `${JSON.stringify({ ...run, jobs: [] }).slice(0, -2)}\n${lines.join(',\n')}\n]}\n`
}

function uploadLines({ filename, type, format, expireIn, entries }: ResultUpload): readonly string[] {
  const contents = entries.map(({ path, mode, content }) => {
    const what =
      (mode & 0o170000) === 0o120000 ? `-> ${content.toString()}` : `${content.length} ${crc32(content).toString(16)}`
    return `  ${modeText(mode)} ${path} ${what}`
  })
  return [`${type} ${format} ${filename}${expireIn === '' ? '' : ` (${expireIn})`}`, ...contents.sort()]
}
