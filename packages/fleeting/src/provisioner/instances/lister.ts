import { backoffMs } from '../../contract/backoff.ts'
import { delay } from '../../contract/clock.ts'
import { asGroupError, type GroupError } from '../../contract/errors.ts'
import type { ListedInstance } from '../../contract/instance-group.ts'
import type { ProvisionerContext } from '../context.ts'
import { callBackoffCurve } from '../launches/backoff.ts'
import type { ListMark } from '../launches/launch.ts'
import { tripsBreaker } from '../launches/launch-breaker.ts'
import type { LaunchBackoff } from '../launches/launch-state.ts'
import { parseList } from './parse-list.ts'

export interface ListerSurroundings {
  /** From the begin of one `list` to the next, when nothing happens between. */
  intervalMs(): number
  /** A `list` worked; all that it changes happens in here. */
  listed(rows: readonly ListedInstance[], readAt: (id: string) => number): void
  worked(): void
  failed(error: GroupError): void
}

/**
 * After an event `list` is read this long after the one before, then after twice as long, and so on up to the period
 * for what is expected: quick clouds are noticed quickly.
 */
const quickMs = 250
/** In a large fleet something happens all the time: such a series begins at most this often. */
const seriesGapMs = 10_000
const triesAtStart = 5

/** Reads the group: one `list` at a time, more often the more is expected, with back-off while it fails. */
export class Lister {
  readonly #context: ProvisionerContext
  readonly #around: ListerSurroundings
  #listing = false
  #last: ListMark = { number: 0, beganAt: -Infinity }
  #lastGood: ListMark = this.#last
  /** When a `list` is wanted at the latest. */
  #wantedAt = Infinity
  /** From the last `list` to the next of a quick series. */
  #quickMs = Infinity
  #seriesAt = -Infinity
  #failure: { readonly failures: number; readonly until: number; readonly error: GroupError } | undefined

  constructor(context: ProvisionerContext, around: ListerSurroundings) {
    this.#context = context
    this.#around = around
  }

  /** The last `list` that worked. */
  get lastGood(): ListMark {
    return this.#lastGood
  }

  /** Why the last `list` did not work; undefined once one has. */
  get error(): GroupError | undefined {
    return this.#failure?.error
  }

  /** The first `list` that begins after now. */
  get next(): ListMark {
    return { number: this.#last.number + 1, beganAt: this.#context.clock.now() }
  }

  /** While `list` fails, as what it means for launches. */
  failure(now: number): LaunchBackoff | undefined {
    if (this.#failure === undefined) return undefined
    const { failures, until, error } = this.#failure
    return { code: error.code, failures, until: Math.max(until, now + 1), message: `list: ${error.message}` }
  }

  /** Something happened: read the group soon. */
  soon(): void {
    const now = this.#context.clock.now()
    const { updateIntervalWhenExpectingMs } = this.#context.settings
    const isQuick = now - this.#seriesAt >= seriesGapMs
    if (isQuick) this.#seriesAt = now
    this.#quickMs = Math.min(this.#quickMs, updateIntervalWhenExpectingMs, isQuick ? quickMs : Infinity)
    this.#context.wake()
  }

  /** Only `list` can tell: read it again at once. */
  again(): void {
    this.#want(this.#context.clock.now())
  }

  /** An instance came into use: the next `list` must not be later than this after the last. */
  within(intervalMs: number): void {
    this.#want(this.#last.beganAt + intervalMs)
  }

  pass(now: number): void {
    if (!this.#listing && now >= this.nextAt()) void this.#list(undefined)
  }

  nextAt(): number {
    if (this.#listing) return Infinity
    const at =
      this.#failure === undefined
        ? Math.min(this.#wantedAt, this.#last.beganAt + Math.min(this.#around.intervalMs(), this.#quickMs))
        : this.#failure.until
    return Math.max(at, this.#context.caller.hold?.until ?? 0)
  }

  /** The first `list`, with a few tries. Thrown: the last `GroupError`; the signal's reason. */
  async first(signal: AbortSignal): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      await this.#list(signal)
      signal.throwIfAborted()
      if (this.#failure === undefined) return
      const { error, until } = this.#failure
      if (tries === triesAtStart || tripsBreaker(error.code)) throw error
      await delay(this.#context.clock, until - this.#context.clock.now(), signal)
    }
  }

  #want(at: number): void {
    if (at >= this.#wantedAt) return
    this.#wantedAt = at
    this.#context.wake()
  }

  async #list(signal: AbortSignal | undefined): Promise<void> {
    const { caller, group, clock, random, observer, logger } = this.#context
    this.#listing = true
    const mark = this.next
    this.#last = mark
    this.#wantedAt = Infinity
    this.#quickMs =
      this.#quickMs * 2 < this.#context.settings.updateIntervalWhenExpectingMs ? this.#quickMs * 2 : Infinity
    observer.internalOperation?.('reconcile')
    try {
      const rows = parseList(await caller.call('list', (limit) => group.list(limit), signal))
      this.#lastGood = mark
      this.#failure = undefined
      this.#around.worked()
      // A group may answer from what it read before; never from the future.
      this.#around.listed(rows, (id) => Math.min(mark.beganAt, group.readAt?.(id) ?? mark.beganAt))
    } catch (thrown) {
      if (caller.closed) return
      const error = asGroupError(thrown)
      const failures = (this.#failure?.failures ?? 0) + 1
      this.#failure = {
        failures,
        until: clock.now() + backoffMs(callBackoffCurve, failures, random, error.retryAfterMs),
        error,
      }
      logger.error({ err: error, failures }, 'reconcile')
      this.#around.failed(error)
    } finally {
      this.#listing = false
      this.#context.wake()
    }
  }
}
