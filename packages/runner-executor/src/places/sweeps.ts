/** What still goes on for jobs whose places were released. */
export class Sweeps {
  readonly #running = new Set<Promise<void>>()

  /** `sweep` must not reject. */
  add(sweep: Promise<void>): void {
    this.#running.add(sweep)
    void sweep.finally(() => this.#running.delete(sweep))
  }

  /** Resolves when nothing goes on any more. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}
