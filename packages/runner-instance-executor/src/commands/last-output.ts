import type { CancelTimer, Clock, OutputSink } from '@runner-core/fleeting'

/** How long nothing comes from a command that has ended before nothing more is expected of it, milliseconds. */
export const lastOutputMs: number = 2000

/**
 * Notices when the output of a command that has ended has all come. What is still on its way, in pipes, in windows of
 * connections and in this process, may take longer than any fixed time: only silence says that it is over, and a chunk
 * that its sink has not taken yet is none.
 */
export class LastOutput {
  readonly #clock: Clock
  #cameAt = Number.NEGATIVE_INFINITY
  #untaken = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The sink, noticed. */
  watch(sink: OutputSink): OutputSink {
    return (chunk) => {
      this.#cameAt = this.#clock.now()
      const pending = sink(chunk)
      if (pending === undefined) return
      this.#untaken += 1
      return pending.finally(() => {
        this.#untaken -= 1
        this.#cameAt = this.#clock.now()
      })
    }
  }

  /**
   * Calls `act` once nothing has come for {@link lastOutputMs}, or after `maxMs`: what lives on may print for ever.
   * The result ends the wait.
   */
  whenSilent(act: () => void, maxMs: number = Number.POSITIVE_INFINITY): CancelTimer {
    const clock = this.#clock
    let spentMs = 0
    let lookedAt = clock.now()
    this.#cameAt = lookedAt
    const look = (): void => {
      const now = clock.now()
      // Time in which this process stood still is none in which it listened.
      spentMs += Math.min(now - lookedAt, lastOutputMs)
      lookedAt = now
      if (spentMs >= maxMs) {
        act()
        return
      }
      const leftMs = this.#untaken > 0 ? lastOutputMs : this.#cameAt + lastOutputMs - now
      if (leftMs > 0) cancel = clock.after(Math.min(leftMs, maxMs - spentMs), look)
      else cancel = clock.after(0, confirm)
    }
    // A timer that comes late is seen before what came meanwhile.
    const confirm = (): void => {
      if (this.#untaken === 0 && clock.now() >= this.#cameAt + lastOutputMs) act()
      else look()
    }
    let cancel = clock.after(Math.min(lastOutputMs, maxMs), look)
    return () => cancel()
  }
}
