import type { Clock } from '@runner-core/fleeting'

const perMs = 1_000_000

/** An Engine's own time, nanoseconds: no two events have the same. It does not notice that others set their clocks. */
export class EngineTime {
  readonly #clock: Pick<Clock, 'now'>
  #last = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  next(): number {
    this.#last = Math.max(this.#clock.now() * perMs, this.#last + 1)
    return this.#last
  }

  /** RFC 3339 with nanoseconds. */
  written(at: number): string {
    const seconds = new Date(Math.floor(at / perMs)).toISOString().slice(0, -5)
    return `${seconds}.${String(at % (1000 * perMs)).padStart(9, '0')}Z`
  }

  /** Of a query: seconds and nanoseconds since 1970. */
  read(text: string): number {
    const [seconds = '0', fraction = ''] = text.split('.')
    return Number(seconds) * 1000 * perMs + Number(fraction.padEnd(9, '0'))
  }
}
