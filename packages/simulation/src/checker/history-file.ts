import { appendFileSync, readFileSync } from 'node:fs'
import type { HistoryRecord } from './history.ts'

/** One record as one line of JSON; pieces of traces in Base64. */
export function historyLine(record: HistoryRecord): string {
  const { bytes, ...rest } = record as HistoryRecord & { bytes?: Uint8Array }
  return JSON.stringify(bytes === undefined ? rest : { ...rest, base64: Buffer.from(bytes).toString('base64') })
}

/** Appends records to a file that {@link readHistory} reads. */
export function appendHistory(file: string, records: Iterable<HistoryRecord>): void {
  const lines = Array.from(records, (record) => `${historyLine(record)}\n`)
  if (lines.length > 0) appendFileSync(file, lines.join(''))
}

/**
 * Records in the order of their times: several may have written, each in its own order. Thrown: `SyntaxError` for a
 * line that is no JSON.
 */
export function readHistory(...files: readonly string[]): HistoryRecord[] {
  const records = files.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map(parseLine),
  )
  return records.sort((one, other) => one.at - other.at)
}

function parseLine(line: string): HistoryRecord {
  const { base64, ...rest } = JSON.parse(line) as HistoryRecord & { base64?: string }
  return (base64 === undefined ? rest : { ...rest, bytes: Buffer.from(base64, 'base64') }) as HistoryRecord
}
