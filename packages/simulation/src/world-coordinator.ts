import type { Clock } from '@runner-core/fleeting'
import type { JobAnswer } from '@runner-core/runner/internals'
import type { WorldHistory } from './world-history.ts'
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
  /** Times that it was handed out. */
  attempts: number
  /** Jobs behind it when it was handed out. */
  queueSize: number
}

/** Names the last hand-out of a job. */
function attemptOf({ name, attempts }: WorldJob): string {
  return `${name}#${attempts}`
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
  readonly #history: WorldHistory
  readonly #parked = new Set<() => void>()

  constructor(clock: Clock, history: WorldHistory) {
    this.#clock = clock
    this.#history = history
  }

  enqueue(durationMs: number): WorldJob {
    const name = `j${this.jobs.length + 1}`
    const canceled = new AbortController()
    const job: WorldJob = { name, durationMs, canceled, state: 'queued', holder: undefined, attempts: 0, queueSize: 0 }
    this.jobs.push(job)
    this.#history.tell({ kind: 'job', job: name })
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
    this.#history.tell({ kind: 'cancel_asked', job: job.name })
    job.canceled.abort(new Error(`${job.name} was cancelled`))
    if (job.state === 'running' || job.state === 'ended') return
    job.state = 'ended'
    this.#history.tell({ kind: 'ended', job: job.name, state: 'canceled', by: 'cancel' })
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
    job.attempts += 1
    job.queueSize = this.queued.length
    const attempt = attemptOf(job)
    this.#history.tell({ kind: 'handed_out', job: job.name, attempt, to: process.name, heard: this.handOutsLost === 0 })
    this.#later(ackWindowMs, job, 'assigned', () => {
      job.state = 'queued'
      this.#history.tell({ kind: 'taken_back', job: job.name, attempt })
      this.#wake()
    })
    if (this.handOutsLost === 0) return { result: 'job', job }
    this.handOutsLost -= 1
    return { result: 'failed', error: new Error('the answer was lost') }
  }

  async accept(process: WorldProcess, job: WorldJob): Promise<'accepted' | 'gone'> {
    if (this.#isOut) throw new Error('502')
    const isTaken = job.holder === process && (job.state === 'assigned' || job.state === 'running')
    const answer = isTaken ? 'taken' : 'refused'
    this.#history.tell({ kind: 'accept_told', job: job.name, attempt: attemptOf(job), by: process.name, answer, heard: true })
    if (!isTaken) return 'gone'
    job.state = 'running'
    this.#later(jobTimeoutMs, job, 'running', () => this.#end(job, { state: 'failed', by: 'timeout' }))
    return 'accepted'
  }

  async finish(process: WorldProcess, job: WorldJob, state: 'success' | 'failed'): Promise<void> {
    if (this.#isOut) throw new Error('502')
    const isTaken = job.holder === process && job.state !== 'ended'
    const told = { job: job.name, attempt: attemptOf(job), by: process.name, state } as const
    this.#history.tell({ kind: 'end_told', ...told, answer: isTaken ? 'taken' : 'refused', heard: true })
    if (isTaken) this.#end(job, { state, by: 'runner' })
  }

  /** A job goes on in other hands. */
  handOver(job: WorldJob, process: WorldProcess): void {
    if (job.state === 'ended') return
    job.holder = process
    this.#later(jobTimeoutMs, job, 'running', () => this.#end(job, { state: 'failed', by: 'timeout' }))
  }

  get #isOut(): boolean {
    return this.#clock.now() < this.outageUntil
  }

  #end(job: WorldJob, end: { readonly state: 'success' | 'failed'; readonly by: 'runner' | 'timeout' }): void {
    job.state = 'ended'
    this.#history.tell({ kind: 'ended', job: job.name, ...end })
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
