import { type Clock, deadline, GroupError } from '@runner-core/fleeting'
import { abortable } from './abortable.ts'

/** Of a call that several wait for, and that none of them may therefore abort. */
const longestMs = 30_000

/** Calls that several callers want at the same time are made once. */
export class SharedCalls<Result> {
  readonly #clock: Clock
  readonly #running = new Map<string, Promise<Result>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What `call` answers, or one of the same key that runs. Rejects with the reason of `signal` once it aborts; the call goes on for the others. */
  share(key: string, call: (signal: AbortSignal) => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const running = this.#running.get(key) ?? this.#start(key, call)
    return abortable(running, signal)
  }

  #start(key: string, call: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const started = this.#limited(call).finally(() => this.#running.delete(key))
    // Nobody may be waiting any longer when it fails.
    started.catch(() => {})
    this.#running.set(key, started)
    return started
  }

  async #limited(call: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    using limit = deadline(this.#clock, longestMs, () => new GroupError('transient', `no answer within ${longestMs} ms`))
    return await call(limit.signal)
  }
}
