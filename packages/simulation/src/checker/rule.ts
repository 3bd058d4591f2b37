import type { Books } from './books.ts'
import type { HistoryRecord } from './history.ts'

/** What was broken. Each is found by one rule alone. */
export type Breach =
  | 'script started twice'
  | 'script started before its job was accepted'
  | 'two scripts in one slot'
  | 'job ended twice'
  | 'end told again'
  | 'end told otherwise'
  | 'job not ended'
  | 'job dropped'
  | 'job given up by the coordinator'
  | 'end is not true'
  | 'job failed without need'
  | 'trace with a gap'
  | 'trace with another checksum'
  | 'line lost'
  | 'line twice'
  | 'lines out of order'
  | 'line of another job'
  | 'leased machine deleted'
  | 'more machines than the maximum'
  | 'machine of others used'
  | 'projects on one machine'
  | 'something left'
  | 'thing of others removed'
  | 'reason not true'
  | 'secret recorded'
  | 'history without sense'

export interface Finding {
  readonly breach: Breach
  readonly at: number
  /** For people: names and numbers. */
  readonly what: string
}

export type Report = (breach: Breach, what: string) => void

/** Looks at each record after the books have it, in order. */
export interface Rule {
  see(record: HistoryRecord, books: Books): void
}

export type CreateRule = (report: Report) => Rule
