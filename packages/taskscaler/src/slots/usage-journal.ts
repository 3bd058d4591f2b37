import { type Clock, describeError } from '@runner-core/fleeting'
import type { Journal, KeepOptions, StateChange, StateRecord } from '@runner-core/fleeting/state'
import type { SlotAcquisition } from './slot-acquisition.ts'
import { demandKey, type LentSlot, usageNamespace } from './usage-records.ts'

/** How often the demand is kept at most. */
const demandMs = 1_000

export interface UsageJournalOptions {
  readonly journal: Journal
  readonly clock: Clock
  /** State can be written again, or not any more. */
  readonly onChange: () => void
}

/** Keeps which slots are lent, and how often each instance was used, where the next process finds it. */
export class UsageJournal {
  readonly #journal: Journal
  readonly #clock: Clock
  readonly #stopListening: () => void
  /** Ends what waits. */
  readonly #waits = new Set<AbortController>()
  #demand = { jobs: 0, at: Number.NEGATIVE_INFINITY }

  constructor({ journal, clock, onChange }: UsageJournalOptions) {
    this.#journal = journal
    this.#clock = clock
    this.#stopListening = journal.onChange(onChange)
  }

  /** Says whose records these are, before any of them. */
  claim(records: readonly StateRecord[]): void {
    this.#journal.note(...usageNamespace.claim(records))
  }

  /** Why nothing can be kept now, and so nothing be lent; undefined: it can. */
  get trouble(): string | undefined {
    const { trouble } = this.#journal
    return trouble && describeError(trouble.error)
  }

  /**
   * Resolves when the loan would survive this process; nothing may run on the slot before. Waits while state cannot be
   * written. Rejects with the signal's reason, what {@link close} is told, and with `FencedError`; the loan may have
   * been kept then.
   */
  async lent(loan: SlotAcquisition, { signal, onWait }: KeepOptions = {}): Promise<void> {
    const wait = new AbortController()
    const onAbort = (): void => wait.abort(signal?.reason)
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#waits.add(wait)
    try {
      await this.#journal.keep(() => loanChanges(loan), { signal: wait.signal, onWait })
    } finally {
      this.#waits.delete(wait)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Not waited for: a loan that is left behind is found to be over by whoever claims it. */
  ended({ key }: LentSlot): void {
    this.#journal.note(usageNamespace.change('acquisition', key, null))
  }

  /** The instance gets no more jobs, whoever owns the fleet. Not waited for: what ends the loan is kept after it. */
  condemned(instanceId: string, useCount: number, reason: string): void {
    this.#journal.note(usageNamespace.change('use', instanceId, { useCount, condemnedFor: reason }))
  }

  /** How many jobs are promised a slot, or wait for one, now. */
  demand(jobs: number): void {
    if (jobs === this.#demand.jobs || this.#clock.now() - this.#demand.at < demandMs) return
    this.#demand = { jobs, at: this.#clock.now() }
    const value = jobs === 0 ? null : { jobs, atWallTime: Math.floor(this.#clock.wallTime()) }
    this.#journal.note(usageNamespace.change('reservation', demandKey, value))
  }

  /** What is still to be lent is not: `reason` says why. */
  close(reason: Error): void {
    this.#stopListening()
    for (const wait of this.#waits) wait.abort(reason)
  }
}

/**
 * As it is now: while it waited, the instance may have been condemned, or lost with the loan, and what was noted of
 * that must stand.
 */
function loanChanges({ key, instanceId, slot, useCount, state, host }: SlotAcquisition): readonly StateChange[] {
  if (state !== 'lent') return []
  const { condemnedFor, label } = host
  return [
    usageNamespace.change('acquisition', key, { instanceId, slot, useCount }),
    usageNamespace.change('use', instanceId, {
      useCount: condemnedFor === undefined ? useCount : host.useCount,
      condemnedFor,
      label,
    }),
  ]
}
