/**
 * One piece of work that several callers wait for. It is aborted when the last of them has left, and nobody can join it
 * from then on.
 */
export class SharedTask<T> {
  readonly #controller = new AbortController()
  readonly #result: Promise<T>
  #waiting = 0

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    const { signal } = this.#controller
    this.#result = new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      work(signal).then(resolve, reject)
    })
    // Those who wait have handlers of their own; when all have left, nobody cares.
    this.#result.catch(() => {})
  }

  get aborted(): boolean {
    return this.#controller.signal.aborted
  }

  /** Rejects with the signal's reason when it aborts first; the work goes on for the others. */
  join(signal: AbortSignal): Promise<T> {
    this.#waiting += 1
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        signal.removeEventListener('abort', onAbort)
        this.#waiting -= 1
      }
      const onAbort = (): void => {
        leave()
        reject(signal.reason)
        if (this.#waiting === 0) this.abort(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#result.finally(leave).then(resolve, reject)
    })
  }

  /** Rejects for everybody. */
  abort(reason: unknown): void {
    this.#controller.abort(reason)
  }
}
