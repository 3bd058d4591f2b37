import { type Clock, delay, type Random } from '../../contract/clock.ts'
import { deadline } from '../../contract/deadline.ts'
import { asGroupError, type ConnectionError, GroupError, isConnectionError } from '../../contract/errors.ts'
import { untilAbort } from '../../contract/until-abort.ts'
import { throttleMs } from '../launches/backoff.ts'
import type { GroupOperation, ProvisionerObserver } from '../observer.ts'

export interface GroupCallerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly observer: ProvisionerObserver
  /** Deadline of each call. */
  readonly timeoutMs: number
}

/** The cloud asked us to call less. */
export interface ThrottleHold {
  /** Refusals in a row. */
  readonly failures: number
  readonly until: number
  readonly message: string
}

/**
 * Makes every call to the group: with a deadline, so that none hangs for good, with a signal that aborts when the call
 * is over, and never while the cloud asked us to wait.
 */
export class GroupCaller {
  readonly #options: GroupCallerOptions
  readonly #closing = new AbortController()
  #hold: ThrottleHold | undefined

  constructor(options: GroupCallerOptions) {
    this.#options = options
  }

  /** While `until` is to come, no call begins. Undefined once a call has worked. */
  get hold(): ThrottleHold | undefined {
    return this.#hold
  }

  /** The cloud refused a call, or part of one, as `throttled`: everything waits. */
  holdOff(error: GroupError): void {
    const { clock, random } = this.#options
    const failures = (this.#hold?.failures ?? 0) + 1
    const until = clock.now() + throttleMs(failures, random, error.retryAfterMs)
    this.#hold = { failures, until: Math.max(until, this.#hold?.until ?? 0), message: error.message }
  }

  /**
   * Rejects with a `GroupError` (or, from a group's own `connect`, a `ConnectionError`), or with the reason of
   * `signal`. Without a signal the call ends with `close`. `late` gets an answer that nobody waits for any more.
   */
  async call<T>(
    operation: GroupOperation,
    run: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal = this.#closing.signal,
    late?: (answer: T) => void,
  ): Promise<T> {
    const { clock, observer, timeoutMs } = this.#options
    // Others may be refused meanwhile.
    const waitMs = (): number => (operation === 'shutdown' ? 0 : (this.#hold?.until ?? 0) - clock.now())
    while (waitMs() > 0) await delay(clock, waitMs(), signal)
    signal.throwIfAborted()
    const startedAt = clock.now()
    const hold = this.#hold
    using limit = deadline(
      clock,
      timeoutMs,
      () => new GroupError('transient', `${operation} did not answer within ${timeoutMs} ms`),
      signal,
    )
    try {
      const answer = await untilAbort(run(limit.signal), limit.signal, late)
      // What was refused meanwhile is news that this answer knows nothing of.
      if (this.#hold === hold) this.#hold = undefined
      observer.groupCall?.(operation, clock.now() - startedAt)
      return answer
    } catch (thrown) {
      if (signal.aborted) throw signal.reason
      throw this.#failed(operation, thrown, clock.now() - startedAt)
    }
  }

  get closed(): boolean {
    return this.#closing.signal.aborted
  }

  /** Ends every call under way that has no signal of its own; later ones do not begin. */
  close(): void {
    this.#closing.abort(new GroupError('transient', 'the provisioner is shutting down'))
  }

  #failed(operation: GroupOperation, thrown: unknown, tookMs: number): GroupError | ConnectionError {
    const error = asGroupError(thrown)
    this.#options.observer.groupCall?.(operation, tookMs, error.code)
    if (isConnectionError(thrown)) return thrown
    if (error.code === 'throttled') this.holdOff(error)
    return error
  }
}
