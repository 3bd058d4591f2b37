import type { Clock } from '@runner-core/fleeting'
import { PullProgress, progressPause } from './pull-progress.ts'

/** Shows how far a pull is, not before its first second is over, and at most once a second. */
export class ProgressLine implements Disposable {
  readonly #clock: Clock
  readonly #show: (text: string) => void
  readonly #progress = new PullProgress()
  readonly #startedAt: number
  #shownAt: number
  #shown = ''
  #cancel: (() => void) | undefined

  constructor(clock: Clock, show: (text: string) => void) {
    this.#clock = clock
    this.#show = show
    this.#startedAt = clock.now()
    this.#shownAt = this.#startedAt
  }

  /** Takes one message of the Engine. */
  take(message: unknown): void {
    this.#progress.take(message)
    if (this.#cancel !== undefined) return
    const now = this.#clock.now()
    const wait = this.#shownAt + progressPause(now - this.#startedAt) - now
    if (wait <= 0) this.#update()
    else this.#cancel = this.#clock.after(wait, () => this.#update())
  }

  /** Shows nothing more. */
  [Symbol.dispose](): void {
    this.#cancel?.()
  }

  #update(): void {
    this.#cancel = undefined
    const { text } = this.#progress
    if (text === this.#shown) return
    this.#shown = text
    this.#shownAt = this.#clock.now()
    this.#show(text)
  }
}
