import type { Clock } from '../clock.ts'
import type { JobError } from '../job-error.ts'
import type { ElapsedTime } from './elapsed-time.ts'

/**
 * One signal out of everything that can stop a part of a job: other signals and time limits. The first one that fires
 * gives the reason.
 */
export class StopSource {
  readonly #controller = new AbortController()
  readonly #undo: (() => void)[] = []

  /** Its reason is the {@link JobError} that the job ends with. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Stops when `signal` is aborted, at once if it is. */
  when(signal: AbortSignal, error: (reason: unknown) => JobError): void {
    const stop = (): void => this.#controller.abort(error(signal.reason))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    this.#undo.push(() => signal.removeEventListener('abort', stop))
  }

  /** Stops after `delayMs`. */
  after(clock: Pick<Clock, 'after'>, delayMs: number, error: () => JobError): void {
    this.#undo.push(clock.after(Math.max(0, delayMs), () => this.#controller.abort(error())))
  }

  /** Stops when the job has taken so long, unless the result is called before. */
  whenElapsed(elapsed: ElapsedTime, atMs: number, error: () => JobError): () => void {
    const cancel = elapsed.when(atMs, () => this.#controller.abort(error()))
    this.#undo.push(cancel)
    return cancel
  }

  /** Lets go of signals and timers. */
  dispose(): void {
    for (const undo of this.#undo.splice(0)) undo()
  }
}
