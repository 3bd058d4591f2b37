import type { Clock } from '@runner-core/fleeting'
import type { KeptUsage } from '../slots/usage-records.ts'
import type { DemandSource } from './demand-source.ts'

/** For how long it counts, milliseconds: by then those jobs have come again, or do not come. */
const countsMs = 60_000

/**
 * Jobs that an earlier process had promised slots to. Their machines are not to be removed, and made again, because of
 * a restart.
 */
export class DemandBefore implements DemandSource {
  readonly name = 'before the restart'
  readonly #clock: Clock
  #until = Number.NEGATIVE_INFINITY
  #jobs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  restore(demand: KeptUsage['demand']): void {
    if (demand === undefined) return
    this.#jobs = demand.jobs
    this.#until = this.#clock.now() + countsMs - Math.max(0, this.#clock.wallTime() - demand.atWallTime)
  }

  /** One of them came, as far as anybody can tell. */
  came(): void {
    if (this.#jobs > 0) this.#jobs--
  }

  depth(): number {
    return this.#clock.now() < this.#until ? this.#jobs : 0
  }

  /** It only ever becomes less, which no pass has to be made for. */
  onChange(): () => void {
    return () => {}
  }
}
