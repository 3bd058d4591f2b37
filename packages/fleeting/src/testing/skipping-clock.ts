import { type CancelTimer, type Clock, systemClock } from '../contract/clock.ts'

/** Real time that a test can set forward: for what expires in minutes while sockets and processes live in real time. */
export class SkippingClock implements Clock {
  readonly #clock: Clock
  readonly #timers = new Set<{ readonly dueAt: number; cancel: CancelTimer; readonly fire: () => void }>()
  #skipped = 0

  constructor(clock: Clock = systemClock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now() + this.#skipped
  }

  wallTime(): number {
    return this.#clock.wallTime() + this.#skipped
  }

  after(delayMs: number, callback: () => void): CancelTimer {
    const timer = {
      dueAt: this.now() + delayMs,
      cancel: () => {},
      fire: () => {
        this.#timers.delete(timer)
        callback()
      },
    }
    timer.cancel = this.#clock.after(delayMs, timer.fire)
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
      timer.cancel()
    }
  }

  /** So many milliseconds have passed at once; timers that were due meanwhile fire soon. */
  skip(ms: number): void {
    this.#skipped += ms
    for (const timer of this.#timers) {
      timer.cancel()
      timer.cancel = this.#clock.after(Math.max(0, timer.dueAt - this.now()), timer.fire)
    }
  }
}
