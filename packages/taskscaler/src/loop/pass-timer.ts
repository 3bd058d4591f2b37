import type { CancelTimer, Clock, Logger } from '@runner-core/fleeting'

/** Passes follow each other no closer than this, milliseconds; a burst of events makes one. */
const minimumGapMs = 20
/** A failed pass is tried again after this, milliseconds. */
const retryMs = 1_000

/**
 * Runs a pass when it is woken, and when the last pass said that there would be something to do. A pass that throws is
 * logged and tried again.
 */
export class PassTimer {
  /** `Clock.now()` of the last pass that went through. */
  passedAt: number = Number.NEGATIVE_INFINITY
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #pass: (now: number) => number
  #ranAt = Number.NEGATIVE_INFINITY
  #dueAt = Number.POSITIVE_INFINITY
  #cancel: CancelTimer = () => {}
  /** A pass is due as soon as the gap allows. */
  #woken = false
  #stopped = false

  /** `pass` answers when the next one is due at the latest. */
  constructor(clock: Clock, logger: Logger, pass: (now: number) => number) {
    this.#clock = clock
    this.#logger = logger
    this.#pass = pass
  }

  /** Cheap enough for every operation: only the first call after a pass does anything. */
  wake(): void {
    if (this.#woken) return
    this.#woken = true
    this.#runAt(Math.max(this.#clock.now(), this.#ranAt + minimumGapMs))
  }

  run(): void {
    if (this.#stopped) return
    const now = this.#clock.now()
    this.#cancel()
    this.#dueAt = Number.POSITIVE_INFINITY
    this.#woken = false
    this.#ranAt = now
    let next = now + retryMs
    try {
      next = this.#pass(now)
      this.passedAt = now
    } catch (error) {
      this.#logger.error({ err: error }, 'scaling pass failed')
    }
    this.#runAt(Math.max(next, now + minimumGapMs))
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  #runAt(at: number): void {
    if (this.#stopped || at >= this.#dueAt) return
    this.#cancel()
    this.#dueAt = at
    this.#cancel = this.#clock.after(at - this.#clock.now(), () => this.run())
  }
}
