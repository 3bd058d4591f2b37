import { type Clock, describeError, FencedError, type FleetLease, type Logger, type StateChange } from '@runner-core/fleeting'
import { demandKey, type LentSlot, lentValue } from './usage-records.ts'

/** Wait before state that could not be written is tried again. */
const retryMs = 5_000
/** How often the demand is kept at most. */
const demandMs = 1_000

export interface UsageJournalOptions {
  readonly lease: FleetLease
  readonly clock: Clock
  readonly logger: Logger
  /** State can be written again, or not any more. */
  readonly onChange: () => void
}

/** Keeps which slots are lent, and how often each instance was used, where the next process finds it. */
export class UsageJournal {
  readonly #options: UsageJournalOptions
  #trouble: Error | undefined
  #cancelRetry = (): void => {}
  #demand = { jobs: 0, at: Number.NEGATIVE_INFINITY }

  constructor(options: UsageJournalOptions) {
    this.#options = options
  }

  /** Why nothing can be kept now, and so nothing be lent; undefined: it can. */
  get trouble(): string | undefined {
    return this.#trouble && describeError(this.#trouble)
  }

  /** Resolves when the loan would survive this process; nothing may run on the slot before. Rejects when it is not kept. */
  lent(slot: LentSlot): Promise<void> {
    return this.#write([
      { kind: 'acquisition', key: slot.key, value: lentValue(slot) },
      { kind: 'use', key: slot.instanceId, value: slot.useCount },
    ])
  }

  /** Not waited for: a loan that is left behind is found to be over by whoever claims it. */
  ended({ key }: LentSlot): void {
    this.#write([{ kind: 'acquisition', key, value: null }]).catch(() => {})
  }

  /** The instance gets no more jobs, whoever owns the fleet. Not waited for: what ends the loan is written after it. */
  condemned(instanceId: string, useCount: number, reason: string): void {
    this.#write([{ kind: 'use', key: instanceId, value: { useCount, condemnedFor: reason } }]).catch(() => {})
  }

  /** How many jobs are promised a slot, or wait for one, now. */
  demand(jobs: number): void {
    const { clock } = this.#options
    if (jobs === this.#demand.jobs || clock.now() - this.#demand.at < demandMs) return
    this.#demand = { jobs, at: clock.now() }
    const value = jobs === 0 ? null : { jobs, atWallTime: Math.floor(clock.wallTime()) }
    this.#write([{ kind: 'reservation', key: demandKey, value }]).catch(() => {})
  }

  close(): void {
    this.#cancelRetry()
  }

  async #write(changes: readonly StateChange[]): Promise<void> {
    try {
      await this.#options.lease.write(changes)
    } catch (error) {
      this.#failed(error as Error)
      throw error
    }
  }

  #failed(error: Error): void {
    if (this.#trouble !== undefined) return
    const { clock, logger, onChange } = this.#options
    this.#trouble = error
    logger.error({ err: error }, 'state cannot be written, no job is taken until it can')
    if (!(error instanceof FencedError)) this.#cancelRetry = clock.after(retryMs, () => void this.#retry())
    onChange()
  }

  /** Writes something: to read would work on a full disk too. */
  async #retry(): Promise<void> {
    const { lease, clock, logger, onChange } = this.#options
    try {
      await lease.write([{ kind: 'fleet', key: 'written again', value: clock.wallTime() }])
      this.#trouble = undefined
      logger.info({}, 'state can be written again')
      onChange()
    } catch (error) {
      if (!(error instanceof FencedError)) this.#cancelRetry = clock.after(retryMs, () => void this.#retry())
    }
  }
}
