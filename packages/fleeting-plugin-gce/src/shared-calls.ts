import { abortable } from './abortable.ts'

interface Shared<Result> {
  readonly answer: Promise<Result>
  readonly controller: AbortController
  waiting: number
}

/** Calls that several callers want at the same time are made once. */
export class SharedCalls<Result> {
  readonly #running = new Map<string, Shared<Result>>()

  /**
   * What `call` answers, or one of the same key that runs. Rejects with the reason of `signal` once it aborts; the call
   * goes on for the others, and is aborted when the last of them has left: one that hangs must not be joined again.
   */
  async share(key: string, call: (signal: AbortSignal) => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const shared = this.#running.get(key) ?? this.#start(key, call)
    shared.waiting += 1
    try {
      return await abortable(shared.answer, signal)
    } finally {
      shared.waiting -= 1
      if (shared.waiting === 0) {
        if (this.#running.get(key) === shared) this.#running.delete(key)
        shared.controller.abort(signal.reason)
      }
    }
  }

  #start(key: string, call: (signal: AbortSignal) => Promise<Result>): Shared<Result> {
    const controller = new AbortController()
    const shared = { answer: call(controller.signal), controller, waiting: 0 }
    // Those who wait have handlers of their own; when all have left, nobody cares.
    shared.answer.catch(() => {})
    this.#running.set(key, shared)
    return shared
  }
}
