import type { Clock } from '../clock.ts'

interface Alarm {
  readonly atMs: number
  readonly callback: () => void
  cancel: () => void
}

/**
 * How long something has taken, over several processes. It goes with a clock that nobody can set; what passed while no
 * process looked is added once it is known.
 */
export class ElapsedTime {
  readonly #clock: Pick<Clock, 'now' | 'after'>
  #knownMs: number
  #knownAt: number
  readonly #alarms = new Set<Alarm>()

  /** `knownMs`: what it has taken so far, at least. */
  constructor(clock: Pick<Clock, 'now' | 'after'>, knownMs: number) {
    this.#clock = clock
    this.#knownMs = knownMs
    this.#knownAt = clock.now()
  }

  /** Milliseconds. */
  get ms(): number {
    return this.#knownMs + this.#clock.now() - this.#knownAt
  }

  /**
   * It turned out that it had taken so long at `at`, on the clock's `now()` scale. Less than is known already says
   * nothing.
   */
  learn(ms: number, at: number): void {
    if (!(ms > this.#knownMs + at - this.#knownAt)) return
    this.#knownMs = ms
    this.#knownAt = at
    for (const alarm of this.#alarms) this.#set(alarm)
  }

  /** Calls back once when it has taken so long, also where that is found out later. The result cancels. */
  when(atMs: number, callback: () => void): () => void {
    const alarm: Alarm = { atMs, callback, cancel: () => {} }
    this.#alarms.add(alarm)
    this.#set(alarm)
    return () => this.#drop(alarm)
  }

  #set(alarm: Alarm): void {
    alarm.cancel()
    alarm.cancel = this.#clock.after(Math.max(0, alarm.atMs - this.ms), () => {
      this.#drop(alarm)
      alarm.callback()
    })
  }

  #drop(alarm: Alarm): void {
    this.#alarms.delete(alarm)
    alarm.cancel()
  }
}
