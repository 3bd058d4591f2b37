import PQueue from 'p-queue'

/**
 * Runs a limited number of tasks at a time, in the order in which they were added. Not p-queue itself: when the signal
 * of a task aborts, that starts the next one while the aborted task may still be at work.
 */
export class TaskQueue {
  readonly #queue: PQueue

  /** @param concurrency how many tasks run at a time; at least 1 */
  constructor(concurrency: number) {
    this.#queue = new PQueue({ concurrency })
  }

  /**
   * Runs `task` when it is its turn, at once where there is room, and settles as it does. An abort of `signal` takes a
   * task that waits out of the queue. A task that runs keeps its place until it settles.
   *
   * @throws the reason of `signal` when it aborts before the task starts
   */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    const waiting = new AbortController()
    const leave = (): void => waiting.abort(signal?.reason)
    const stay = (): void => signal?.removeEventListener('abort', leave)
    signal?.addEventListener('abort', leave, { once: true })
    try {
      return await this.#queue.add(
        () => {
          stay()
          return task()
        },
        { signal: waiting.signal },
      )
    } finally {
      stay()
    }
  }
}
