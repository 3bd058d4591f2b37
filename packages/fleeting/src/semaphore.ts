/** Lets a limited number in at a time, in order of asking. */
export class Semaphore {
  #free: number
  readonly #waiting = new Set<{ readonly enter: () => void; readonly refuse: (reason: unknown) => void }>()

  constructor(limit: number) {
    this.#free = limit
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Takes a place when one is free. */
  tryAcquire(): boolean {
    if (this.#free === 0) return false
    this.#free -= 1
    return true
  }

  /** Takes a place as soon as it is this caller's turn. Rejects with the reason of `signal`, or of `refuseWaiting`. */
  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.tryAcquire()) return
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(waiter)
        signal.removeEventListener('abort', onAbort)
      }
      const waiter = {
        enter(): void {
          leave()
          resolve()
        },
        refuse(reason: unknown): void {
          leave()
          reject(reason)
        },
      }
      const onAbort = (): void => waiter.refuse(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
    })
  }

  /** Gives a place back; exactly once for each that was taken. */
  release(): void {
    const [next] = this.#waiting
    // The place passes on directly, so that nobody who asks meanwhile gets in before.
    if (next === undefined) this.#free += 1
    else next.enter()
  }

  /** Everybody who waits is turned away. */
  refuseWaiting(reason: unknown): void {
    for (const waiter of this.#waiting) waiter.refuse(reason)
  }
}
