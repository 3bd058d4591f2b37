import { delay } from '../../contract/clock.ts'
import { deadline } from '../../contract/deadline.ts'
import { asGroupError, ConnectionError } from '../../contract/errors.ts'
import { loggedSeconds } from '../../contract/logged-seconds.ts'
import type { ProvisionerContext } from '../context.ts'
import { type Disappearance, type DisappearanceBrake, judgeDisappearances } from './disappearance.ts'
import type { Instance } from './instance.ts'
import { parseList } from './parse-list.ts'

/** What an instance that was asked for a sign of life did; `unknown`: it could not be asked. */
export type LifeSign = 'alive' | 'silent' | 'unknown'

/** What this must know of the rest of the provisioner. */
export interface DisappearanceSurroundings {
  instances(): Iterable<Instance>
  /**
   * Whether a delete of it may be the reason why readings left it out, the first of which began at `since` and the last
   * at `readAt`.
   */
  isDeleted(id: string, since: number, readAt: number): boolean
  /** How late `list` may be, milliseconds. */
  lagMs(): number
  /** When the instance was last heard over a connection that is open; undefined: none is. */
  heardAt(id: string): number | undefined
  /** Asks the instance itself. Rejects only when the signal aborts, with its reason. */
  lifeSign(id: string, signal: AbortSignal): Promise<LifeSign>
  /** The instances do not exist any more. */
  gone(ids: readonly string[]): void
  /**
   * An instance that came back after it was given up does not answer, or has answered for long enough: it may be
   * deleted.
   */
  mayBeDeleted(id: string): void
}

/** The most ids in one `describe`, and the most asked for after one `list`: what is left waits for the next. */
const idsAtOnce = 100
const idsPerReading = 200
const checksAtOnce = 16

/**
 * Finds out what became of instances that `list` leaves out: asks the cloud for them by id, asks them for a sign of
 * life, and gives them up when {@link judgeDisappearances} says so.
 */
export class Disappearances {
  readonly #context: ProvisionerContext
  readonly #around: DisappearanceSurroundings
  readonly #records = new Map<string, Disappearance>()
  /** Said to be alive in the log, once for each disappearance. */
  readonly #told = new Set<string>()
  readonly #checking = new Set<string>()
  readonly #closing = new AbortController()
  #isBegun = false
  #isDescribing = false
  #brake: DisappearanceBrake | undefined

  constructor(context: ProvisionerContext, around: DisappearanceSurroundings) {
    this.#context = context
    this.#around = around
  }

  /** While so many are missing at once that none is given up for the list's word alone: since when. */
  get brakedSince(): number | undefined {
    return this.#brake?.since
  }

  /** From now on questions are asked, and what is gone is given up. */
  begin(): void {
    this.#isBegun = true
    this.#judge()
    void this.#describe()
  }

  /**
   * What a `list` left out, with the begin of the reading that each absence is known from; all others are there.
   * `ended`: those that it showed as `deleted`.
   */
  listed(absent: ReadonlyMap<string, number>, ended: ReadonlySet<string>): void {
    for (const id of this.#records.keys()) if (!absent.has(id)) this.forget(id)
    for (const [id, readAt] of absent) {
      const before = this.#records.get(id)
      const denied = ended.has(id) && { deniedAt: readAt }
      // An answer that is told again is no new reading.
      this.#records.set(id, { since: readAt, ...before, ...denied, readAt: Math.max(readAt, before?.readAt ?? readAt) })
    }
    if (!this.#isBegun) return
    this.#judge()
    void this.#describe()
  }

  forget(id: string): void {
    this.#records.delete(id)
    this.#told.delete(id)
  }

  /**
   * An instance that was given up is there again. While it answers, somebody may be at work there, and it is not
   * deleted; but not for ever, since nobody will use it any more.
   */
  returned(id: string): void {
    void this.#untilSilent(id)
  }

  close(): void {
    this.#closing.abort(new Error('the provisioner is shutting down'))
  }

  #judge(): void {
    if (this.#closing.signal.aborted) return
    const { clock, logger } = this.#context
    const missing = []
    let known = 0
    for (const { id, seenAt, state, removal } of this.#around.instances()) {
      if (removal === undefined && state !== 'deleting') known += 1
      const record = this.#records.get(id)
      if (record === undefined) continue
      // That it was missing before says nothing of what a delete did.
      const wasLeaving = state === 'deleting' || this.#around.isDeleted(id, record.since, record.readAt)
      const heardAt = this.#around.heardAt(id)
      const aliveAt = Math.max(heardAt ?? -Infinity, record.aliveAt ?? -Infinity)
      missing.push({
        ...record,
        ...(aliveAt > -Infinity && { aliveAt }),
        id,
        seenAt,
        wasLeaving,
        isConnected: heardAt !== undefined,
      })
    }
    const before = this.#brake
    const { brake, ask, gone } = judgeDisappearances(missing, before, {
      lagMs: this.#around.lagMs(),
      known,
      now: clock.now(),
    })
    this.#brake = brake
    if (brake !== undefined && before === undefined) {
      logger.error(
        { instances: known, missing: missing.length },
        'many instances are missing from the list at once: none is given up unless it does not respond and the group confirms by its id that it is gone, or it stays missing for long',
      )
    }
    if (brake === undefined && before !== undefined)
      logger.info({ missing: missing.length }, 'mass disappearance is over')
    if (gone.length > 0) this.#around.gone(gone)
    for (const id of ask) void this.#check(id)
  }

  async #check(id: string): Promise<void> {
    if (this.#checking.size >= checksAtOnce || this.#checking.has(id)) return
    this.#checking.add(id)
    try {
      const sign = await this.#lifeSign(id)
      const record = this.#records.get(id)
      if (record === undefined) return
      const at = this.#context.clock.now()
      this.#records.set(id, {
        ...record,
        askedAt: at,
        ...(sign !== 'alive' && { silence: { at, isSure: sign === 'silent' } }),
      })
      if (sign === 'alive') this.#alive(id, at, 'it responds')
    } catch {
      // The provisioner ends.
      return
    } finally {
      this.#checking.delete(id)
    }
    this.#judge()
  }

  async #lifeSign(id: string): Promise<LifeSign> {
    const { clock, settings } = this.#context
    const { checkTimeoutMs } = settings.health
    const late = (): Error => new ConnectionError('unreachable', `no answer within ${checkTimeoutMs} ms`)
    using limit = deadline(clock, checkTimeoutMs, late, this.#closing.signal)
    try {
      return await this.#around.lifeSign(id, limit.signal)
    } catch (error) {
      if (this.#closing.signal.aborted) throw error
      return 'silent'
    }
  }

  #alive(id: string, at: number, why: string): void {
    const record = this.#records.get(id)
    if (record === undefined) return
    this.#records.set(id, { ...record, aliveAt: Math.max(at, record.aliveAt ?? at) })
    if (this.#told.has(id)) return
    this.#told.add(id)
    const fields = { instance: id, missing_seconds: loggedSeconds(this.#context.clock.now() - record.since) }
    this.#context.logger.warn(
      fields,
      `instance is missing from the list, but alive: ${why}; it is kept and gets no new work`,
    )
  }

  /**
   * Asks the group for those that are missing, by id. What fails changes nothing, and is asked again after the next
   * reading.
   */
  async #describe(): Promise<void> {
    const { group, caller, logger } = this.#context
    if (group.describe === undefined || this.#isDescribing) return
    this.#isDescribing = true
    try {
      const ids = [...this.#records.keys()].slice(0, idsPerReading)
      for (let first = 0; first < ids.length; first += idsAtOnce) {
        const asked = ids.slice(first, first + idsAtOnce)
        const beganAt = this.#context.clock.now()
        const answer = await caller.call('describe', (limit) => group.describe!(asked, limit))
        for (const { id, state } of parseList(answer, 'describe'))
          if (asked.includes(id)) this.#described(id, state !== 'deleted', beganAt)
      }
      this.#judge()
    } catch (error) {
      if (!caller.closed) logger.warn({ err: asGroupError(error) }, 'missing instances could not be looked up by id')
    } finally {
      this.#isDescribing = false
    }
  }

  #described(id: string, isThere: boolean, beganAt: number): void {
    const record = this.#records.get(id)
    if (record === undefined) return
    if (isThere) this.#alive(id, beganAt, 'the group finds it by its id')
    else this.#records.set(id, { ...record, deniedAt: beganAt })
    // Those that could not all be asked take turns.
    const asked = this.#records.get(id)!
    this.#records.delete(id)
    this.#records.set(id, asked)
  }

  async #untilSilent(id: string): Promise<void> {
    const { clock, settings, logger } = this.#context
    const until = clock.now() + settings.stuckTimeoutMs
    try {
      for (let tries = 1; (await this.#lifeSign(id)) === 'alive' && clock.now() < until; tries += 1) {
        if (tries === 1)
          logger.warn(
            { instance: id },
            'instance that was given up is back and responds: it is not deleted yet and gets no work',
          )
        await delay(clock, Math.max(this.#around.lagMs(), settings.updateIntervalWhenExpectingMs), this.#closing.signal)
      }
      this.#around.mayBeDeleted(id)
    } catch {
      // The provisioner ends.
    }
  }
}
