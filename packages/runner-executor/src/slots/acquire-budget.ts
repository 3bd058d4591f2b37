import type { CancelTimer, Clock } from '@runner-core/fleeting'

export interface AcquireBudgetOptions {
  readonly clock: Clock
  readonly limitMs: number
  /** Made when the time is over. */
  readonly timedOut: () => Error
  /** The job's own end. */
  readonly parent: AbortSignal
}

/**
 * The one time limit of getting a job its place, over all waits and tries. Its clock only runs from the first `start`
 * on: most jobs find a slot and a connection at once, and they pay for no timer.
 */
export class AcquireBudget implements Disposable {
  readonly #options: AcquireBudgetOptions
  readonly #controller = new AbortController()
  #cancel: CancelTimer | undefined

  constructor(options: AcquireBudgetOptions) {
    this.#options = options
    const { parent } = options
    if (parent.aborted) this.#onParent()
    else parent.addEventListener('abort', this.#onParent, { once: true })
  }

  /** Aborts with `timedOut()` when the time is over, with the parent's reason when that one aborts first. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  start(): void {
    const { clock, limitMs, timedOut } = this.#options
    this.#cancel ??= clock.after(limitMs, () => this.#controller.abort(timedOut()))
  }

  [Symbol.dispose](): void {
    this.#cancel?.()
    this.#options.parent.removeEventListener('abort', this.#onParent)
  }

  readonly #onParent = (): void => this.#controller.abort(this.#options.parent.reason)
}
