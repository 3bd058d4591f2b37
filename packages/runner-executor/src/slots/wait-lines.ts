import type { CancelTimer, Clock } from '@runner-core/fleeting'

/** By then the scaler has decided what to do for the job, so that the first line can say it. */
const firstLineMs = 50
const lineIntervalMs = 30_000

export interface WaitLinesOptions {
  readonly clock: Clock
  readonly report: (line: string) => void
  /** Why there is none, now. */
  readonly explain: () => string
}

/** Tells a job why it has no place yet: at once, when it changed, and every 30 s, until disposed of. */
export class WaitLines implements Disposable {
  readonly #options: WaitLinesOptions
  #cancel: CancelTimer

  constructor(options: WaitLinesOptions) {
    this.#options = options
    this.#cancel = options.clock.after(firstLineMs, this.tell)
  }

  [Symbol.dispose](): void {
    this.#cancel()
  }

  /** Tells it now; the next line comes 30 s later. */
  readonly tell = (): void => {
    const { clock, report, explain } = this.#options
    this.#cancel()
    this.#cancel = clock.after(lineIntervalMs, this.tell)
    const text = explain()
    report(text.charAt(0).toUpperCase() + text.slice(1))
  }
}
