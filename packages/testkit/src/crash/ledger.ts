import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '@runner-core/fleeting'

export const linesPerJob = 15

/** What a script wrote down where it ran: that it began or ended, in which slot, and when, by the machine's clock. */
export interface LedgerEntry {
  readonly job: number
  readonly what: 'begins' | 'ends'
  /** The machine's name and the job's directory there: no two slots share it. */
  readonly slot: string
  readonly atNs: bigint
}

/**
 * A script that writes down that it runs, then prints its lines over one to three seconds. Nobody's report is believed:
 * what ran is counted where it ran.
 */
export function ledgerScript(job: number, directory: string, random: Random): readonly string[] {
  const pause = ((1 + random() * 2) / linesPerJob).toFixed(3)
  const note = (what: string): string => `echo "${what} $(date +%s%N) $(uname -n):$PWD" >> "${directory}/${job}"`
  return [
    `mkdir -p "${directory}"; ${note('begins')}`,
    `for line in $(seq 1 ${linesPerJob}); do echo "job ${job}, line $line of ${linesPerJob}"; sleep ${pause}; done`,
    note('ends'),
  ]
}

export function readLedger(directory: string): readonly LedgerEntry[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory).flatMap((file) =>
    parseLedger(Number(file), readFileSync(join(directory, file), 'utf8')),
  )
}

export function parseLedger(job: number, text: string): readonly LedgerEntry[] {
  return [...text.matchAll(/^(begins|ends) (\d+) (\S+)$/gm)].map(([, what, at, slot]) => ({
    job,
    what: what as LedgerEntry['what'],
    slot: slot!,
    atNs: BigInt(at!),
  }))
}

/** Jobs whose script began more than once. */
export function ranTwice(entries: readonly LedgerEntry[]): readonly number[] {
  const begun = new Map<number, number>()
  for (const { job, what } of entries) if (what === 'begins') begun.set(job, (begun.get(job) ?? 0) + 1)
  return [...begun].filter(([, times]) => times > 1).map(([job]) => job)
}

/**
 * Slots in which a script began while another one had not ended there, and was not dead: `isOver` says whether a job
 * that wrote no end down can still have been running.
 */
export function overlaps(entries: readonly LedgerEntry[], isOver: (job: number) => boolean): readonly string[] {
  const found: string[] = []
  const open = new Map<string, LedgerEntry>()
  for (const entry of [...entries].sort((a, b) => (a.atNs < b.atNs ? -1 : 1))) {
    const { slot, what, job } = entry
    if (what === 'ends') {
      if (open.get(slot)?.job === job) open.delete(slot)
      continue
    }
    const other = open.get(slot)
    if (other !== undefined && other.job !== job && !isOver(other.job))
      found.push(`${slot}: job ${job} began while job ${other.job} ran`)
    open.set(slot, entry)
  }
  return found
}
