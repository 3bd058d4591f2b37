import { randomBytes } from 'node:crypto'
import type { Clock } from '@runner-core/fleeting'
import type { Endpoint } from './fault.ts'
import { type JobSpec, jobJson } from './job-spec.ts'
import type { LeftArtifacts } from './left-artifacts.ts'
import { MarkerWatch } from './marker-watch.ts'
import type { ReceivedUpload } from './receive-upload.ts'
import { StoredTrace } from './stored-trace.ts'

/** GitLab's states, and `assigned`: handed out, still `pending` on the wire until the runner accepts it. */
export type CoordinatorJobState = 'pending' | 'assigned' | 'running' | 'canceling' | 'success' | 'failed' | 'canceled'

/** When things happened to a job, milliseconds on the coordinator's clock. */
export interface JobTimes {
  readonly enqueuedAt: number
  /** Last handed out. */
  handedOutAt?: number
  /** Became `running`. */
  runningAt?: number
  /** The first byte of the trace arrived. */
  firstTraceAt?: number
  /** The marker arrived: the first output of the job's own script. */
  firstOutputAt?: number
  endedAt?: number
}

/** To whom the job was handed out, and what that runner can do. */
export interface Assignment {
  readonly jobToken: string
  readonly runnerToken: string
  readonly features: Readonly<Record<string, boolean>>
}

/** One job, from `Coordinator.enqueue` to its end. */
export class CoordinatorJob {
  readonly id: number
  readonly spec: JobSpec
  readonly trace: StoredTrace = new StoredTrace()
  readonly times: JobTimes
  /** Resolves with this job when it has ended. */
  readonly finished: Promise<CoordinatorJob>
  readonly #clock: Clock
  readonly #marker: MarkerWatch | undefined
  #resolveFinished: (job: CoordinatorJob) => void = () => {}
  #state: CoordinatorJobState = 'pending'
  #assignment: Assignment | undefined
  #staleTokens: string[] = []
  #failureReason: string | undefined
  #exitCode: number | undefined
  #stopAckTimer: () => void = () => {}
  /** Requests about this job were tampered with, so its runner may rightly repeat itself. */
  disturbed = false
  /** What it left for later jobs. */
  artifacts: LeftArtifacts | undefined
  /** What the job itself uploaded, oldest first; each type once. */
  readonly uploads: ReceivedUpload[] = []
  readonly #leftToken = `glcbt-${randomBytes(15).toString('base64url')}`
  /** What the runner said after it had been told that the job is over. */
  #lastWords: Set<Endpoint> | undefined

  constructor(id: number, spec: JobSpec, clock: Clock) {
    this.id = id
    this.spec = spec
    this.#clock = clock
    this.times = { enqueuedAt: clock.now() }
    this.#marker = spec.marker === undefined ? undefined : new MarkerWatch(spec.marker)
    this.finished = new Promise((resolve) => {
      this.#resolveFinished = resolve
    })
  }

  get state(): CoordinatorJobState {
    return this.#state
  }

  /** The state as the wire words it. */
  get status(): string {
    return this.#state === 'assigned' ? 'pending' : this.#state
  }

  get hasEnded(): boolean {
    return this.#state === 'success' || this.#state === 'failed' || this.#state === 'canceled'
  }

  /** As the runner reported it, or the coordinator's own, such as `trace_size_exceeded`. */
  get failureReason(): string | undefined {
    return this.#failureReason
  }

  /** As the runner reported it; undefined when it reported none. */
  get exitCode(): number | undefined {
    return this.#exitCode
  }

  get assignment(): Assignment | undefined {
    return this.#assignment
  }

  /** What opens its artifacts to later jobs: its own token, also where it never ran. */
  get dependencyToken(): string {
    return this.#assignment?.jobToken ?? this.#leftToken
  }

  /** Whether the token belongs to the present hand-out, to an earlier one that was taken back, or to none. */
  tokenStanding(jobToken: unknown): 'current' | 'stale' | 'foreign' {
    if (this.#assignment !== undefined && jobToken === this.#assignment.jobToken) return 'current'
    return this.#staleTokens.some((stale) => stale === jobToken) ? 'stale' : 'foreign'
  }

  /**
   * Hands the job out. With two-phase commit it waits for the runner's word; `onAckTimeout` is called when that does
   * not come within `ackWindowMs`.
   */
  assign(assignment: Assignment, ackWindowMs: number, onAckTimeout: () => void): void {
    this.#assignment = assignment
    this.times.handedOutAt = this.#clock.now()
    if (assignment.features['two_phase_job_commit'] === true) {
      this.#state = 'assigned'
      this.extendAckWindow(ackWindowMs, onAckTimeout)
    } else this.#run()
  }

  extendAckWindow(ackWindowMs: number, onAckTimeout: () => void): void {
    this.#stopAckTimer()
    this.#stopAckTimer = this.#clock.after(ackWindowMs, () => {
      if (this.#assignment !== undefined) this.#staleTokens.push(this.#assignment.jobToken)
      this.#assignment = undefined
      this.#state = 'pending'
      onAckTimeout()
    })
  }

  /** The runner's word that it runs the job. */
  accept(): void {
    this.#stopAckTimer()
    this.#run()
  }

  append(chunk: Buffer): void {
    const now = this.#clock.now()
    this.times.firstTraceAt ??= now
    this.trace.append(chunk)
    if (this.#marker?.feed(chunk)) this.times.firstOutputAt = now
  }

  end(state: 'success' | 'failed' | 'canceled', failureReason?: string, exitCode?: number): void {
    this.#stopAckTimer()
    this.#state = state
    this.#failureReason = failureReason
    this.#exitCode = exitCode
    this.times.endedAt = this.#clock.now()
    this.#resolveFinished(this)
  }

  /**
   * What a user's click on "cancel" does: a job that runs on a runner which can cancel gracefully is `canceling` until
   * that runner ends it, so its after_script runs; any other job is `canceled` at once. The second click, or `at once`,
   * does not wait. Nothing happens to a job that has ended.
   */
  cancel(how: 'gracefully' | 'at once' = 'gracefully'): void {
    if (this.hasEnded) return
    const graceful =
      how === 'gracefully' && this.#state === 'running' && this.#assignment?.features['cancel_gracefully'] === true
    if (graceful) this.#state = 'canceling'
    else this.end('canceled')
  }

  /**
   * Notes a request about a job that has ended, or one that ended it. False: a well-behaved runner would not have sent
   * it. Who is told that its job is over may still try to bring the rest of the trace and the outcome, once each;
   * nothing else, and nothing after the outcome.
   */
  noteAfterEnd(endpoint: Endpoint): boolean {
    if (this.#lastWords === undefined) {
      this.#lastWords = new Set(endpoint === 'finish' ? ['finish'] : [])
      return true
    }
    const isLastWord = endpoint === 'trace' || endpoint === 'finish'
    if (!isLastWord || this.#lastWords.has(endpoint) || this.#lastWords.has('finish')) return this.disturbed
    this.#lastWords.add(endpoint)
    return true
  }

  /** The job's JSON for the runner that it is handed to. */
  json(serverUrl: string, jobToken: string, queueSize: number): string {
    const timeInQueueSeconds = (this.#clock.now() - this.times.enqueuedAt) / 1000
    return JSON.stringify(
      jobJson(this.spec, { id: this.id, token: jobToken, serverUrl, timeInQueueSeconds, queueSize }),
    )
  }

  #run(): void {
    this.#state = 'running'
    this.times.runningAt = this.#clock.now()
  }
}
