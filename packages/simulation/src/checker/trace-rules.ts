import { crc32 } from 'node:zlib'
import { type AttemptBook, type Books, ownScript } from './books.ts'
import type { CreateRule, Report } from './rule.ts'

/** Of lines with times: when, and which stream. */
const timePrefix = /^\d{4}-\d{2}-\d{2}T[\d:.]+Z \d\d[OE][ +]/
const ansi = /\u001b\[[\d;]*[A-Za-z]/g

/** The coordinator's trace grows without gaps, and is as long and as good as it was said to be when the job ended. */
export const tracesAreWhole: CreateRule = (report) => {
  /** Attempts whose trace is to be sent from its start again: the coordinator found it to be another than was said. */
  const again = new Set<string>()
  return {
    see(record, books) {
      if (record.kind === 'end_told' && record.answer === 'again' && record.trace !== undefined)
        again.add(record.attempt)
      if (record.kind === 'trace') {
        const attempt = books.attempt(record.job, record.attempt)
        if (attempt === undefined) return
        const { trace } = attempt
        if (record.offset !== trace.length && !(record.offset === 0 && again.delete(record.attempt)))
          report(
            'trace with a gap',
            `${record.job} (${record.attempt}): a piece at ${record.offset}, there are ${trace.length} bytes`,
          )
        attempt.trace = Buffer.concat([trace.subarray(0, record.offset), record.bytes])
      }
      if (record.kind !== 'end_told' || record.answer !== 'taken' || record.trace === undefined) return
      const { trace } = books.attempt(record.job, record.attempt) ?? {}
      if (trace === undefined) return
      const { bytes, crc32: checksum } = record.trace
      if (bytes !== trace.length || checksum !== crc32(trace))
        report(
          'trace with another checksum',
          `${record.job} (${record.attempt}): ${bytes} bytes were told, there are ${trace.length}`,
        )
    },
  }
}

/**
 * Each line that a job's script printed is in the coordinator's trace once, whole and in order, and no other job's is.
 * Of a job that did not come to its end the last lines may be missing.
 */
export const linesOnceInOrder: CreateRule = (report) => ({
  see(record, books) {
    if (record.kind !== 'ended' && record.kind !== 'over') return
    const jobs =
      record.kind === 'over'
        ? [...books.jobs.values()].filter(({ endedAt }) => endedAt === undefined)
        : [books.jobs.get(record.job)]
    for (const job of jobs) {
      if (job?.last === undefined) continue
      const cameToItsEnd =
        record.kind === 'ended' &&
        record.by === 'runner' &&
        (record.state === 'success' || record.reason === 'script_failure')
      judge(job.job, job.last, { isWhole: cameToItsEnd && !mayLackItsEnd(job.job, job.last, books), books, report })
    }
  },
})

/** A coordinator that does not take a trace still learns how its job ended. */
function mayLackItsEnd(job: string, { handedOutAt }: AttemptBook, books: Books): boolean {
  return books.wasTroubled(['coordinator', 'refused', 'trace_limit'], { job }, handedOutAt, books.at)
}

function judge(
  job: string,
  { attempt, runs, trace }: AttemptBook,
  { isWhole, books, report }: { readonly isWhole: boolean; readonly books: Books; readonly report: Report },
): void {
  const printed = runs.flatMap(({ lines }) => lines)
  const own = new Set(printed)
  const others = new Set([...books.runs.values()].filter((run) => run.job !== job).flatMap(({ lines }) => lines))
  const read: string[] = []
  for (const line of linesOf(trace)) {
    if (own.has(line)) read.push(line)
    else if (others.has(line)) report('line of another job', `${job} (${attempt}): ${line}`)
  }
  const wrong = read.findIndex((line, index) => line !== printed[index])
  if (wrong !== -1) {
    const line = read[wrong]!
    const before = read.slice(0, wrong).includes(line) && count(read, line) > count(printed, line)
    if (before) report('line twice', `${job} (${attempt}): ${line}`)
    else if (read.includes(printed[wrong]!))
      report('lines out of order', `${job} (${attempt}): ${line} before ${printed[wrong]}`)
    else report('line lost', `${job} (${attempt}): ${printed[wrong]}, before ${line}`)
    return
  }
  const ownScriptLines = runs
    .filter(({ script }) => script === ownScript)
    .reduce((sum, { lines }) => sum + lines.length, 0)
  if (isWhole && ownScriptLines > 0 && read.length < printed.length)
    report(
      'line lost',
      `${job} (${attempt}): ${printed[read.length]}, the first of ${printed.length - read.length} at the end`,
    )
}

function linesOf(trace: Buffer): string[] {
  return trace
    .toString()
    .split(/\r?\n/)
    .map((line) => (line.split('\r').at(-1) ?? '').replace(timePrefix, '').replaceAll(ansi, ''))
}

function count(lines: readonly string[], line: string): number {
  return lines.filter((other) => other === line).length
}
