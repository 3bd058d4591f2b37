import { randomBytes } from 'node:crypto'
import type { CoordinatorJob } from './coordinator-job.ts'

/** The jobs that wait, oldest first, and the value by which runners know whether anything changed. */
export class JobQueue {
  readonly #waiting = new Set<CoordinatorJob>()
  readonly #parked = new Set<() => void>()
  #value = newValue()

  /** What `X-GitLab-Last-Update` says: another one after each job that came. */
  get value(): string {
    return this.#value
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Requests parked until something changes. */
  get parked(): number {
    return this.#parked.size
  }

  add(job: CoordinatorJob): void {
    this.#waiting.add(job)
    this.#value = newValue()
    const wake = [...this.#parked]
    this.#parked.clear()
    for (const callback of wake) callback()
  }

  /**
   * Takes the oldest job that this runner may have. Jobs that it cannot run because of a missing feature fail, as on
   * GitLab.
   */
  take(runnerToken: string, features: Readonly<Record<string, boolean>>): CoordinatorJob | undefined {
    for (const job of this.#waiting) {
      if (job.spec.runnerToken !== undefined && job.spec.runnerToken !== runnerToken) continue
      this.#waiting.delete(job)
      if (job.hasEnded) continue
      if (job.spec.requires?.every((feature) => features[feature] === true) ?? true) return job
      job.end('failed', 'runner_unsupported')
    }
    return undefined
  }

  /** Calls `wake` at the next change; the result forgets it. */
  park(wake: () => void): () => void {
    this.#parked.add(wake)
    return () => this.#parked.delete(wake)
  }
}

function newValue(): string {
  return randomBytes(16).toString('hex')
}
