import type { Clock } from '@runner-core/fleeting'

/** Aborts its signal when it was not restarted for `limitMs`, and together with its parent. */
export class SilenceWatch implements Disposable {
  readonly #controller = new AbortController()
  readonly #clock: Clock
  readonly #limitMs: number
  readonly #parent: AbortSignal
  readonly #onParent = (): void => this.#controller.abort(this.#parent.reason)
  #cancel = (): void => {}
  #isOver = false

  constructor(clock: Clock, limitMs: number, parent: AbortSignal) {
    this.#clock = clock
    this.#limitMs = limitMs
    this.#parent = parent
    if (parent.aborted) this.#onParent()
    parent.addEventListener('abort', this.#onParent, { once: true })
    this.restart()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether it aborted because it was not restarted. */
  get isOver(): boolean {
    return this.#isOver
  }

  restart(): void {
    this.#cancel()
    this.#cancel = this.#clock.after(this.#limitMs, () => {
      this.#isOver = true
      this.#controller.abort(new Error('silence'))
    })
  }

  [Symbol.dispose](): void {
    this.#cancel()
    this.#parent.removeEventListener('abort', this.#onParent)
  }
}
