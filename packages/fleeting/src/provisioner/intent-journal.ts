import type { Clock } from '../contract/clock.ts'
import { deadline } from '../contract/deadline.ts'
import { untilAbort } from '../contract/until-abort.ts'
import { isFenced, type Journal } from '../state/journal.ts'
import type { StateChange, StateRecord } from '../state/state-store.ts'
import { type FleetRecords, fleetRecords, type InstanceRecord } from './fleet-records.ts'

export interface IntentJournalOptions {
  readonly journal: Journal
  readonly clock: Clock
  /** Deadline of each write. */
  readonly timeoutMs: number
  /** Called when another process has taken the fleet over. */
  readonly onFenced: (error: Error) => void
}

/** What an earlier process knew of one of its instances. */
export interface JournalledInstance extends InstanceRecord {
  readonly id: string
}

/** Set once every instance that is ours is in the journal: from then on one that is not is somebody else's. */
const journalledMark = { kind: 'fleet', key: 'instances journalled' } as const

/** Set once a list has shown which launch a machine came from: from then on one that does not tell is nobody's. */
const launchesToldMark = { kind: 'fleet', key: 'launches told' } as const

/** Whether an earlier process saw which launches machines came from. */
export function wereLaunchesTold(records: readonly StateRecord[]): boolean {
  return records.some(({ kind, key }) => kind === launchesToldMark.kind && key === launchesToldMark.key)
}

/** Begins every launch token of the fleet, over all its processes: an instance whose token begins so is its own. */
const tokenPrefixRecord = { kind: 'fleet', key: 'launch token prefix' } as const

/** What an earlier process began its launch tokens with; undefined when none has kept it yet. */
export function keptTokenPrefix(records: readonly StateRecord[]): string | undefined {
  const record = records.find(({ kind, key }) => kind === tokenPrefixRecord.kind && key === tokenPrefixRecord.key)
  return typeof record?.value === 'string' && /^l[a-z0-9]{6}$/.test(record.value) ? record.value : undefined
}

/** The instances that an earlier process had; undefined when none has kept them yet. */
export function journalledInstances(records: readonly StateRecord[]): readonly JournalledInstance[] | undefined {
  if (!records.some(({ kind, key }) => kind === journalledMark.kind && key === journalledMark.key)) return undefined
  return fleetRecords.read('instance', records).map(({ key, value }) => ({ id: key, ...value }))
}

/** Why each of the instances was to be removed whose removal an earlier process had begun. */
export function unfinishedRemovals(records: readonly StateRecord[]): ReadonlyMap<string, string> {
  return new Map(fleetRecords.read('removal', records).map(({ key, value: { reason } }) => [key, reason]))
}

/** How long a write proves that no other process has the fleet: from its begin, milliseconds. */
const proofMs = 5_000

/** Keeps what is about to be done, and what is there. */
export class IntentJournal {
  readonly #options: IntentJournalOptions
  /** What was noted in this turn, or before {@link begin}. */
  #noted: StateChange[] = []
  /** Facts are passed on at the end of the turn already, or held back until {@link begin}. */
  #isPassing = true

  constructor(options: IntentJournalOptions) {
    this.#options = options
    const { journal, onFenced } = options
    journal.onChange(() => {
      const error = journal.trouble?.error
      if (isFenced(error)) onFenced(error)
    })
  }

  /**
   * Until now facts were held back: a start that only reads writes nothing, and one that acts keeps at once all that
   * its first `list` told.
   */
  begin(): void {
    this.#passSoon()
  }

  /**
   * Writes intents; what they announce may be done once this resolves. Rejects when they are not kept, for whatever
   * reason: then it must not be done. Without entries it proves that we may still act: what was announced long ago may
   * be somebody else's by now. So may it after a write that took long: this process may have stood still.
   */
  async write<Kind extends keyof FleetRecords>(
    kind: Kind,
    entries: readonly (readonly [key: string, value: FleetRecords[Kind]])[],
  ): Promise<void> {
    const { journal, clock, timeoutMs, onFenced } = this.#options
    const keys = new Set(entries.map(([key]) => key))
    this.#noted = this.#noted.filter((change) => change.kind !== kind || !keys.has(change.key))
    using limit = deadline(clock, timeoutMs, () => new Error(`the state store did not answer within ${timeoutMs} ms`))
    let changes: readonly StateChange[] = entries.map(([key, value]) => fleetRecords.change(kind, key, value))
    try {
      for (let provenAt = -Infinity; clock.now() - provenAt > proofMs; changes = []) {
        provenAt = clock.now()
        await untilAbort(journal.write(changes), limit.signal)
      }
    } catch (error) {
      if (isFenced(error)) onFenced(error)
      throw error
    }
  }

  /** The intent has come to its end, or the fact is none any more. */
  end(kind: keyof FleetRecords, key: string): void {
    this.note(kind, key, null)
  }

  /**
   * Keeps a fact; see {@link Journal.note}. Facts of one turn, and all before {@link begin}, are kept together, so that
   * a launch never ends in the journal without the instance that it brought.
   */
  note<Kind extends keyof FleetRecords>(kind: Kind, key: string, value: FleetRecords[Kind] | null): void {
    this.noteChange(fleetRecords.change(kind, key, value))
  }

  /** Keeps a fact of another layer together with ours. */
  noteChange(change: StateChange): void {
    this.#noted.push(change)
    if (this.#isPassing) return
    this.#isPassing = true
    this.#passSoon()
  }

  #passSoon(): void {
    queueMicrotask(() => {
      this.#isPassing = false
      this.#options.journal.note(...this.#noted)
      this.#noted = []
    })
  }

  /** From now on an instance that is not in the journal is none of ours. */
  noteJournalled(): void {
    this.note(journalledMark.kind, journalledMark.key, true)
  }

  /** From now on launch tokens begin so. */
  noteTokenPrefix(prefix: string): void {
    this.note(tokenPrefixRecord.kind, tokenPrefixRecord.key, prefix)
  }

  /** From now on an instance that does not tell its launch is none of ours. */
  noteLaunchesTold(): void {
    this.note(launchesToldMark.kind, launchesToldMark.key, true)
  }
}
