import { Books } from './books.ts'
import { endsAreTrue, jobsEnd, jobsEndOnce, noteEnds } from './end-rules.ts'
import type { HistoryRecord } from './history.ts'
import { nothingIsLeft, thingsOfOthersStay } from './left-rules.ts'
import {
  neverAboveTheMaximum,
  noLeasedMachineIsDeleted,
  projectsAreKeptApart,
  strangersAreLeftAlone,
} from './machine-rules.ts'
import type { Breach, CreateRule, Finding, Rule } from './rule.ts'
import { oneScriptInASlot, scriptsStartOnce } from './script-rules.ts'
import { noSecretIsRecorded } from './secret-rule.ts'
import { linesOnceInOrder, tracesAreWhole } from './trace-rules.ts'
import { reasonsAreTrue } from './wait-rule.ts'

const rules: readonly CreateRule[] = [
  scriptsStartOnce,
  oneScriptInASlot,
  jobsEndOnce,
  jobsEnd,
  endsAreTrue,
  tracesAreWhole,
  linesOnceInOrder,
  noLeasedMachineIsDeleted,
  neverAboveTheMaximum,
  strangersAreLeftAlone,
  projectsAreKeptApart,
  nothingIsLeft,
  thingsOfOthersStay,
  reasonsAreTrue,
  noSecretIsRecorded,
  noteEnds,
]

/** Judges a history as it comes, by what coordinator, cloud and machines saw and nothing else. */
export class HistoryChecker {
  readonly findings: Finding[] = []
  /** Records by kind: what there was to judge by. */
  readonly seen: Map<HistoryRecord['kind'], number> = new Map()
  readonly #books = new Books()
  readonly #rules: readonly Rule[]

  constructor() {
    this.#rules = rules.map((create) => create((breach, what) => this.#report(breach, what)))
  }

  record(record: HistoryRecord): void {
    this.seen.set(record.kind, (this.seen.get(record.kind) ?? 0) + 1)
    const nonsense = this.#books.note(record)
    if (nonsense !== undefined) this.#report('history without sense', nonsense)
    for (const rule of this.#rules) rule.see(record, this.#books)
  }

  #report(breach: Breach, what: string): void {
    this.findings.push({ breach, at: this.#books.at, what })
  }
}

export function checkHistory(records: Iterable<HistoryRecord>): readonly Finding[] {
  const checker = new HistoryChecker()
  for (const record of records) checker.record(record)
  return checker.findings
}
