import type { CancelTimer, Clock } from '../contract/clock.ts'

export interface KeepAliveOptions {
  readonly clock: Clock
  /**
   * After so long a silence the machine is asked for a sign of life, milliseconds; 0: never. While the connection is in
   * use 5,000 at most.
   */
  readonly intervalMs: number
  /** Whether somebody waits for the machine to say something. */
  readonly isInUse: () => boolean
  /** Sends a question that every machine answers. */
  readonly ask: () => void
  /** The machine is lost, and why. Called once; nothing is asked any more. */
  readonly onLost: (why: string) => void
}

const longestInUseMs = 5000
/** A question is asked again after this, or after `intervalMs` where that is shorter. */
const longestRepeatMs = 5000
/** As OpenSSH's `ServerAliveCountMax`. */
const maxUnanswered = 3
/** In so many steps the time between two questions is counted. */
const ticksPerQuestion = 5

/**
 * Finds out that a machine which says nothing is lost. By default the first question comes after 30 s of silence, after
 * 5 s while something runs there; it is asked three times, 5 s apart, and 5 s after the last one the machine is lost:
 * 20 s after it was last heard while in use, 45 s otherwise. One that stands still for less than 15 s never is.
 *
 * Waiting is counted in ticks that fired, not in time that passed. However long this process stood still, that is one
 * tick, and before the next one it sends what was held up and reads what has come.
 */
export class KeepAlive {
  readonly #options: KeepAliveOptions
  readonly #repeatMs: number
  #lastHeardAt: number
  /** Since the first question that was not answered; undefined: none is open. */
  #ticks: number | undefined
  #cancel: CancelTimer = () => {}

  constructor(options: KeepAliveOptions) {
    this.#options = options
    this.#repeatMs = Math.min(options.intervalMs, longestRepeatMs)
    this.#lastHeardAt = options.clock.now()
    if (options.intervalMs > 0) this.#listen()
  }

  /** `Clock.now()` when the machine last sent anything. */
  get lastHeardAt(): number {
    return this.#lastHeardAt
  }

  /** The machine has sent something, whatever it is. */
  heard(): void {
    this.#lastHeardAt = this.#options.clock.now()
    this.#ticks = undefined
  }

  stop(): void {
    this.#cancel()
  }

  readonly #listen = (): void => {
    const { clock, intervalMs, isInUse } = this.#options
    const inUseMs = Math.min(intervalMs, longestInUseMs)
    const leftMs = this.#lastHeardAt + (isInUse() ? inUseMs : intervalMs) - clock.now()
    if (leftMs <= 0) this.#tick()
    // It may be in use by then.
    else this.#cancel = clock.after(Math.min(leftMs, inUseMs), this.#listen)
  }

  readonly #wait = (): void => {
    if (this.#ticks === undefined) this.#listen()
    else this.#tick()
  }

  #tick(): void {
    const { clock, ask, onLost } = this.#options
    this.#ticks = this.#ticks === undefined ? 0 : this.#ticks + 1
    if (this.#ticks === maxUnanswered * ticksPerQuestion) {
      onLost(`no answer to ${maxUnanswered} keep-alive requests within ${(maxUnanswered * this.#repeatMs) / 1000} s`)
      return
    }
    this.#cancel = clock.after(this.#repeatMs / ticksPerQuestion, this.#wait)
    if (this.#ticks % ticksPerQuestion === 0) ask()
  }
}
