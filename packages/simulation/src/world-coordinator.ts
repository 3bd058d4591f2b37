import type { Clock } from '@runner-core/fleeting'
import type { JobAnswer } from '@runner-core/runner/internals'
import type { WorldProcess } from './world-process.ts'

/** A job of the world: it takes its time, or hangs until it is cancelled. */
export interface WorldJob {
  readonly name: string
  /** `Infinity`: it hangs. */
  readonly durationMs: number
  /** Aborted when somebody cancels it. */
  readonly canceled: AbortController
  state: 'queued' | 'assigned' | 'running' | 'ended'
  holder: WorldProcess | undefined
  /** Jobs behind it when it was handed out. */
  queueSize: number
}

/** How long a request for a job is parked. */
const longPollMs = 50_000
/** A job that nobody accepted by then is handed out again. */
const ackWindowMs = 30_000
/** A running job that nobody ended by then has failed. */
const jobTimeoutMs = 300_000

/** GitLab as far as a runner's loop knows it: long polls, two-phase hand-outs, answers that are lost, outages. */
export class WorldCoordinator {
  readonly jobs: WorldJob[] = []
  /** Until then every call fails. */
  outageUntil: number = Number.NEGATIVE_INFINITY
  /** The next so many hand-outs are made, and their answers lost. */
  handOutsLost = 0
  readonly #clock: Clock
  readonly #parked = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  enqueue(durationMs: number): WorldJob {
    const name = `j${this.jobs.length + 1}`
    const job: WorldJob = { name, durationMs, canceled: new AbortController(), state: 'queued', holder: undefined, queueSize: 0 }
    this.jobs.push(job)
    this.#wake()
    return job
  }

  get queued(): readonly WorldJob[] {
    return this.jobs.filter(({ state }) => state === 'queued')
  }

  /** Jobs that have not ended. */
  get open(): readonly WorldJob[] {
    return this.jobs.filter(({ state }) => state !== 'ended')
  }

  cancel(job: WorldJob): void {
    job.canceled.abort(new Error(`${job.name} was cancelled`))
    if (job.state !== 'running') job.state = 'ended'
  }

  async request(
    process: WorldProcess,
    { mayPark, signal }: { readonly mayPark: boolean; readonly signal: AbortSignal },
  ): Promise<JobAnswer<WorldJob>> {
    if (this.#isOut) return { result: 'failed', error: new Error('502') }
    const [job] = this.queued
    if (job === undefined) {
      if (!mayPark) return { result: 'none' }
      await this.#park(process, signal)
      return { result: 'none', askAgain: true }
    }
    job.state = 'assigned'
    job.holder = process
    job.queueSize = this.queued.length
    this.#later(ackWindowMs, job, 'assigned', () => {
      job.state = 'queued'
      this.#wake()
    })
    if (this.handOutsLost === 0) return { result: 'job', job }
    this.handOutsLost -= 1
    return { result: 'failed', error: new Error('the answer was lost') }
  }

  async accept(process: WorldProcess, job: WorldJob): Promise<'accepted' | 'gone'> {
    if (this.#isOut) throw new Error('502')
    if (job.holder !== process || (job.state !== 'assigned' && job.state !== 'running')) return 'gone'
    job.state = 'running'
    this.#later(jobTimeoutMs, job, 'running', () => this.#end(job))
    return 'accepted'
  }

  async finish(process: WorldProcess, job: WorldJob): Promise<void> {
    if (this.#isOut) throw new Error('502')
    if (job.holder === process) this.#end(job)
  }

  /** A job goes on in other hands. */
  handOver(job: WorldJob, process: WorldProcess): void {
    if (job.state === 'ended') return
    job.holder = process
    this.#later(jobTimeoutMs, job, 'running', () => this.#end(job))
  }

  get #isOut(): boolean {
    return this.#clock.now() < this.outageUntil
  }

  #end(job: WorldJob): void {
    job.state = 'ended'
    if (!job.canceled.signal.aborted) job.canceled.abort(new Error(`${job.name} is over`))
  }

  /** Does it then, if the job is still in the hands in which it is now. */
  #later(delayMs: number, job: WorldJob, state: WorldJob['state'], act: () => void): void {
    const { holder } = job
    this.#clock.after(delayMs, () => {
      if (job.state === state && job.holder === holder) act()
    })
  }

  #wake(): void {
    for (const wake of this.#parked) wake()
  }

  #park(process: WorldProcess, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#parked.delete(wake)
        cancel()
        stop()
        signal.removeEventListener('abort', abort)
      }
      const wake = (): void => {
        end()
        resolve()
      }
      const abort = (): void => {
        end()
        reject(signal.reason)
      }
      this.#parked.add(wake)
      const cancel = this.#clock.after(longPollMs, wake)
      const stop = process.atEnd(end)
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) abort()
    })
  }
}
