import type { CancelTimer, Clock } from '../contract/clock.ts'

interface Timer {
  readonly at: number
  readonly order: number
  readonly callback: () => void
}

/** A clock that stands still until told. Starts at 1,000,000 on both scales. */
export class ManualClock implements Clock {
  #now = 1_000_000
  #wallOffset = 0
  #order = 0
  readonly #timers = new Set<Timer>()

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return this.#now + this.#wallOffset
  }

  after(delayMs: number, callback: () => void): CancelTimer {
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Timers not fired or cancelled: 0 when everything that used the clock has ended. */
  get pendingTimers(): number {
    return this.#timers.size
  }

  /**
   * Passes `ms`: fires the timers that come due, in order, those set meanwhile included, and lets promises settle
   * before, between and after.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#timers.delete(timer)
      this.#now = Math.max(this.#now, timer.at)
      timer.callback()
      await settle()
    }
    this.#now = end
  }

  /** The wall clock is set; `now()` does not notice. */
  jumpWallTime(ms: number): void {
    this.#wallOffset += ms
  }

  #next(end: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.at > end) continue
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer
    }
    return next
  }
}

/** Resolves when the promise jobs queued so far, and those that they queue, have run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
