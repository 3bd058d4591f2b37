/** What is told about the instances: how many there are, from some moment on. */
interface Step {
  readonly atMs: number
  readonly count: number
}

/** The instances over time: fed with how many there are, asked for sums and shapes. */
export class FleetRecord {
  readonly #steps: Step[] = []
  readonly #seen = new Set<string>()
  #peak = 0

  /** Takes note of the instances that exist now. `atMs` never goes back. */
  note(atMs: number, ids: Iterable<string>): void {
    let count = 0
    for (const id of ids) {
      this.#seen.add(id)
      count += 1
    }
    this.#peak = Math.max(this.#peak, count)
    if (count !== this.#steps.at(-1)?.count) this.#steps.push({ atMs, count })
  }

  /** Different instances ever seen. */
  get created(): number {
    return this.#seen.size
  }

  /** The most instances at any one time. */
  get peak(): number {
    return this.#peak
  }

  /** How long instances existed until `untilMs`, all added up, milliseconds. */
  machineMs(untilMs: number): number {
    return this.#steps.reduce((sum, { atMs, count }, index) => {
      const nextMs = this.#steps[index + 1]?.atMs ?? untilMs
      return sum + count * (nextMs - atMs)
    }, 0)
  }

  /** The most instances in each of `columns` equal parts of the time from `fromMs` to `untilMs`. */
  columns(fromMs: number, untilMs: number, columns: number): readonly number[] {
    const widthMs = (untilMs - fromMs) / columns
    return Array.from({ length: columns }, (_, column) => {
      const [startMs, endMs] = [fromMs + column * widthMs, fromMs + (column + 1) * widthMs]
      let most = 0
      this.#steps.forEach(({ atMs, count }, index) => {
        const nextMs = this.#steps[index + 1]?.atMs ?? Number.POSITIVE_INFINITY
        if (atMs < endMs && nextMs > startMs) most = Math.max(most, count)
      })
      return most
    })
  }
}
