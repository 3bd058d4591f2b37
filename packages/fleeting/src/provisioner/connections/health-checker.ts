import type { Clock } from '../../contract/clock.ts'
import { deadline } from '../../contract/deadline.ts'
import { ConnectionError } from '../../contract/errors.ts'
import type { Logger } from '../../contract/logger.ts'
import type { HealthSettings } from '../settings.ts'
import {
  type Brake,
  condemned,
  type HealthRecord,
  isFailing,
  judge,
  meaningOf,
  nextCheckAt,
  withResult,
} from './health.ts'

export interface HealthCheckerOptions {
  readonly settings: HealthSettings
  readonly clock: Clock
  readonly logger: Logger
  /** Whether the instance runs, is not in use and not on its way out. */
  readonly isIdle: (id: string) => boolean
  /** One check: rejects when the instance cannot be reached. */
  readonly check: (id: string, signal: AbortSignal) => Promise<void>
  /** The instance began to fail, and why; or, with undefined, recovered. */
  readonly onFailing: (id: string, why: string | undefined) => void
  /** The group does not know the instance any more. */
  readonly onGone: () => void
  /** The instance is to be replaced. */
  readonly onVerdict: (id: string, why: string) => void
}

const checksAtOnce = 16
/** Checks are started in bunches, so that thousands of instances do not cost a timer each. */
const tickMs = 1000

/** Checks idle instances in turn, keeps the results of all checks, and says which instances to replace. */
export class HealthChecker {
  readonly #options: HealthCheckerOptions
  readonly #records = new Map<string, HealthRecord>()
  readonly #reasons = new Map<string, string>()
  readonly #checking = new Set<string>()
  readonly #closing = new AbortController()
  #brake: Brake | undefined
  #isTicking = false
  #cancelTick = (): void => {}

  constructor(options: HealthCheckerOptions) {
    this.#options = options
  }

  /** Begins to check. Unless the settings want it, only what fails is checked, until it does no more. */
  begin(): void {
    if (this.#options.settings.checkIntervalMs > 0) this.#tickLater()
  }

  /** A connection for work, or a check, succeeded. */
  good(id: string): void {
    this.#keep(
      id,
      withResult(this.#records.get(id), true, this.#options.clock.now(), this.#options.settings),
      undefined,
    )
  }

  /** One failed; what it means depends on the error. */
  bad(id: string, error: unknown): void {
    const meaning = meaningOf(error)
    const why = error instanceof Error ? error.message : String(error)
    if (meaning === 'gone') this.#options.onGone()
    if (meaning === 'condemned') this.condemn(id, why)
    if (meaning === 'failed') this.failed(id, why)
  }

  /**
   * Work got no connection, for all the time that it had and all the tries. Where there was one before, that is no
   * flicker: nobody is to wait for it again until it answers.
   */
  notConnected(id: string, error: unknown): void {
    if (this.isProven(id) && meaningOf(error) === 'failed') this.condemn(id, (error as Error).message)
    else this.bad(id, error)
  }

  failed(id: string, why: string): void {
    this.#keep(id, withResult(this.#records.get(id), false, this.#options.clock.now(), this.#options.settings), why)
  }

  condemn(id: string, why: string): void {
    this.#keep(id, condemned(this.#records.get(id), this.#options.clock.now(), this.#options.settings), why)
  }

  /** The instance is gone or on its way: its checks count no more. */
  forget(id: string): void {
    this.#records.delete(id)
    this.#reasons.delete(id)
  }

  /** Whether a check has ever succeeded. */
  isProven(id: string): boolean {
    return this.#records.get(id)?.proven ?? false
  }

  /** While the mass-failure brake holds: since when. */
  get brakedSince(): number | undefined {
    return this.#brake?.since
  }

  close(): void {
    this.#cancelTick()
    this.#closing.abort(new Error('the provisioner is shutting down'))
  }

  #keep(id: string, record: HealthRecord, why: string | undefined): void {
    const before = this.#records.get(id)
    const wasFailing = before !== undefined && isFailing(before)
    const fails = isFailing(record)
    this.#records.set(id, record)
    if (why !== undefined) this.#reasons.set(id, why)
    if (fails !== wasFailing) this.#options.onFailing(id, fails ? why : undefined)
    if (fails || this.#brake !== undefined) this.#judge()
    if (fails) this.#tickLater()
  }

  #tickLater(): void {
    if (this.#isTicking || this.#closing.signal.aborted) return
    this.#isTicking = true
    this.#cancelTick = this.#options.clock.after(tickMs, () => {
      this.#isTicking = false
      this.#judge()
      this.#startChecks()
      if (this.#options.settings.checkIntervalMs > 0 || [...this.#records.values()].some(isFailing)) this.#tickLater()
    })
  }

  #startChecks(): void {
    const now = this.#options.clock.now()
    for (const [id, record] of this.#records) {
      if (this.#checking.size >= checksAtOnce) return
      if (
        record.proven &&
        nextCheckAt(record, this.#options.settings) <= now &&
        !this.#checking.has(id) &&
        this.#options.isIdle(id)
      )
        void this.#check(id)
    }
  }

  async #check(id: string): Promise<void> {
    const { clock, settings } = this.#options
    const late = (): Error =>
      new ConnectionError('unreachable', `no working connection within ${settings.checkTimeoutMs} ms`)
    using limit = deadline(clock, settings.checkTimeoutMs, late, this.#closing.signal)
    this.#checking.add(id)
    try {
      await this.#options.check(id, limit.signal)
      if (this.#records.has(id)) this.good(id)
    } catch (error) {
      if (this.#records.has(id) && !this.#closing.signal.aborted) this.bad(id, error)
    } finally {
      this.#checking.delete(id)
    }
  }

  #judge(): void {
    const { clock, settings, logger, onVerdict, onFailing } = this.#options
    const before = this.#brake
    const { brake, remove, forget } = judge(this.#records, before, clock.now(), settings)
    this.#brake = brake
    if (brake !== undefined && before === undefined) {
      logger.error(
        { instances: this.#records.size },
        'many instances fail their checks at once: none is removed for that; check the network between here and them',
      )
    }
    if (forget) {
      logger.info({}, 'mass failure is over')
      for (const [id, record] of this.#records) {
        if (isFailing(record)) onFailing(id, undefined)
        if (record.results.includes(false)) this.#records.set(id, { ...record, results: [], failingSince: undefined })
      }
    }
    for (const id of remove) onVerdict(id, this.#reasons.get(id) ?? 'its connection checks failed')
  }
}
