import { type CancelTimer, type Clock, type Logger, loggedSeconds } from '@runner-core/fleeting'
import { NoCapacityError, type Reservation } from '@runner-core/taskscaler'
import type { Concurrency } from './concurrency.ts'
import { firstPace, nextPace, type PaceRules, type PollAnswer, type PollPace, type PollResult } from './poll-pace.ts'

/** How a request for a job was answered. */
export type JobAnswer<Job> =
  | { readonly result: 'job'; readonly job: Job }
  | (PollAnswer & { readonly result: Exclude<PollResult, 'job'>; readonly error?: Error })

export interface JobPollerOptions<Job> {
  readonly rules: PaceRules
  /** Bounds on jobs and requests together: each request holds one place in each, which its job then keeps. */
  readonly bounds: readonly Concurrency[]
  /** Takes a promise of capacity. Thrown: `NoCapacityError`. */
  readonly reserve: () => Reservation
  /** Calls back when a `reserve` that failed may succeed. Returns how to stop. */
  readonly onCapacity: (wake: () => void) => () => void
  /**
   * Asks for a job. `mayPark` false: somebody else waits for the place that this request holds, so the answer must come
   * at once.
   */
  readonly ask: (request: { readonly mayPark: boolean; readonly signal: AbortSignal }) => Promise<JobAnswer<Job>>
  /** Whether a request may keep its place for as long as the server likes. Default: always. */
  readonly mayPark?: () => boolean
  /** Runs a job to its end and gives the reservation back. Never rejects. */
  readonly work: (job: Job, reservation: Reservation) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

/** Why the poller asks for nothing more at the moment; `asking` as many requests as may be are under way. */
export type PollerState =
  | 'asking'
  | 'waiting for the check interval'
  | 'backing off'
  | 'paused'
  | 'at its limit'
  | 'without capacity'
  | 'stopped'

export interface PollerCounters {
  /** Requests sent. */
  requests: number
  /** Requests without a usable answer, refusals included. */
  requestFailures: number
  /** Times that a request was not sent because no capacity could be promised. */
  withoutCapacity: number
  /** Times that a request was not sent because as many as `request_concurrency` were under way. */
  atRequestConcurrency: number
}

/** Requests for a job have no usable answer. */
export interface RequestTrouble {
  /** `Clock.now()` of the first answer of that kind. */
  readonly since: number
  /** The last one's. */
  readonly error?: Error
  /** The last answer refused the runner's token. */
  readonly isRefusal: boolean
}

/** What ends refusals of a runner's token, for the operator. */
export const endOfRefusals: string = 'correct token in config.toml and restart, or allow the runner on the server'

interface PendingRequest {
  readonly abort: AbortController
  readonly startedAt: number
  cancelCut: CancelTimer
  /** Given up by us while it was parked. */
  isCut: boolean
}

/**
 * A pass comes at least this often, milliseconds, whatever the poller waits for: proof that it lives, and a net under
 * lost wake-ups.
 */
const heartbeatMs = 5_000
/**
 * A request younger than this when the poller stops is likely to be answered now, perhaps with a job: it is waited for.
 * An older one is parked and cut.
 */
const youngRequestMs = 1_000

/**
 * Takes jobs for one runner: holds a promise of capacity, asks, hands the job over, and asks again at once while jobs
 * come. Each pass looks at everything anew; events only wake it.
 */
export class JobPoller<Job> {
  readonly counters: PollerCounters = { requests: 0, requestFailures: 0, withoutCapacity: 0, atRequestConcurrency: 0 }
  readonly #options: JobPollerOptions<Job>
  readonly #requests = new Set<PendingRequest>()
  readonly #jobs = new Set<Promise<void>>()
  readonly #stopListening: () => void
  #pace: PollPace = firstPace
  #state: PollerState = 'asking'
  #trouble: RequestTrouble | undefined
  #passedAt: number
  #isWoken = false
  /** No capacity could be promised, and nothing has changed since: asking for it costs more than all else in a pass. */
  #isFull = false
  #cancelTimer: CancelTimer = () => {}
  /** Settles once stopped, with no request under way. */
  readonly #answered: Promise<void>
  #resolveAnswered = (): void => {}
  /** Settles once stopped, with nothing under way. */
  readonly #idle: Promise<void>
  #resolveIdle = (): void => {}

  constructor(options: JobPollerOptions<Job>) {
    this.#answered = new Promise((resolve) => {
      this.#resolveAnswered = resolve
    })
    this.#idle = new Promise((resolve) => {
      this.#resolveIdle = resolve
    })
    this.#options = options
    this.#passedAt = options.clock.now()
    this.#stopListening = options.onCapacity(this.noteCapacity)
    this.wake()
  }

  get state(): PollerState {
    return this.#state
  }

  /** `Clock.now()` of the last pass. */
  get passedAt(): number {
    return this.#passedAt
  }

  get pace(): PollPace {
    return this.#pace
  }

  /** Undefined once an answer was of use. */
  get trouble(): RequestTrouble | undefined {
    return this.#trouble
  }

  /** Requests under way. */
  get requestCount(): number {
    return this.#requests.size
  }

  /** Jobs under way. */
  get jobCount(): number {
    return this.#jobs.size
  }

  /** There may be capacity again. */
  readonly noteCapacity = (): void => {
    this.#isFull = false
    this.wake()
  }

  /** Makes a pass soon; many calls make one. */
  readonly wake = (): void => {
    if (this.#isWoken || this.#state === 'stopped') return
    this.#isWoken = true
    queueMicrotask(() => this.#pass())
  }

  /**
   * Asks for no more jobs. Resolves when no request is under way and every job has ended, those included that a last
   * request brought. Idempotent.
   */
  stop(): Promise<void> {
    void this.stopAsking()
    return this.#idle
  }

  /**
   * Asks for no more jobs. Resolves when no request is under way: what a last one brought is at work then. Idempotent.
   */
  stopAsking(): Promise<void> {
    if (this.#state === 'stopped') return this.#answered
    this.#state = 'stopped'
    this.#cancelTimer()
    this.#stopListening()
    this.cutParked(new Error('the runner stops'))
    this.#noteIdle()
    return this.#answered
  }

  /**
   * Gives up requests that are parked: those that are young still may bring a job, and become old soon. That is no
   * failure of the server.
   */
  cutParked(reason: Error = new Error('the runner has no use for a job now')): void {
    const { clock } = this.#options
    for (const request of this.#requests) {
      const leftMs = request.startedAt + youngRequestMs - clock.now()
      const cut = (): void => {
        request.isCut = true
        request.abort.abort(reason)
      }
      request.cancelCut()
      if (leftMs > 0) request.cancelCut = clock.after(leftMs, cut)
      else cut()
    }
  }

  #noteIdle(): void {
    if (this.#state !== 'stopped' || this.#requests.size > 0) return
    this.#resolveAnswered()
    if (this.#jobs.size === 0) this.#resolveIdle()
  }

  #pass(): void {
    this.#isWoken = false
    if (this.#state === 'stopped') return
    const { clock } = this.#options
    this.#passedAt = clock.now()
    while (this.#tryToAsk()) {}
    this.#cancelTimer()
    const waitMs = Math.max(this.#pace.nextAt - this.#passedAt, 0)
    this.#cancelTimer = clock.after(waitMs === 0 ? heartbeatMs : Math.min(waitMs, heartbeatMs), this.noteCapacity)
  }

  /** False, and the state says why, when nothing more can be asked now. */
  #tryToAsk(): boolean {
    const { bounds, reserve } = this.#options
    const { nextAt, limit, paused, failures } = this.#pace
    if (nextAt > this.#passedAt)
      return this.#wait(paused ? 'paused' : failures > 0 ? 'backing off' : 'waiting for the check interval')
    if (this.#requests.size >= limit) {
      if (limit === this.#options.rules.requestConcurrency) this.counters.atRequestConcurrency += 1
      return this.#wait('asking')
    }
    if (this.#isFull) return this.#wait('without capacity')
    const full = bounds.findIndex((bound) => !bound.claim(this.wake))
    if (full >= 0) {
      for (const bound of bounds.slice(0, full)) bound.release()
      return this.#wait('at its limit')
    }
    try {
      void this.#ask(reserve())
      return true
    } catch (error) {
      this.#release()
      if (!(error instanceof NoCapacityError)) throw error
      this.counters.withoutCapacity += 1
      this.#isFull = true
      return this.#wait('without capacity')
    }
  }

  #wait(state: PollerState): false {
    this.#state = state
    return false
  }

  async #ask(reservation: Reservation): Promise<void> {
    const { ask, mayPark = () => true, clock, rules } = this.#options
    const startedAt = clock.now()
    const request: PendingRequest = { abort: new AbortController(), startedAt, cancelCut: () => {}, isCut: false }
    this.#requests.add(request)
    this.counters.requests += 1
    const answer = await ask({ mayPark: mayPark(), signal: request.abort.signal }).catch(
      (error: Error): JobAnswer<Job> => ({ result: 'failed', error }),
    )
    this.#requests.delete(request)
    request.cancelCut()
    const isFailure = !request.isCut && (answer.result === 'failed' || answer.result === 'refused')
    if (!request.isCut || answer.result === 'job') {
      this.#pace = nextPace(this.#pace, answer, { startedAt, now: clock.now() }, rules)
      if (!isFailure) this.#trouble = undefined
    }
    if (answer.result === 'job') this.#start(answer.job, reservation)
    else {
      reservation[Symbol.dispose]()
      this.#isFull = false
      this.#release()
      if (isFailure) this.#noteFailure(answer)
    }
    this.#noteIdle()
    this.wake()
  }

  #start(job: Job, reservation: Reservation): void {
    const work = this.#options.work(job, reservation).finally(() => {
      this.#jobs.delete(work)
      this.#release()
      this.#noteIdle()
      this.wake()
    })
    this.#jobs.add(work)
  }

  #release(): void {
    for (const bound of this.#options.bounds) bound.release()
  }

  #noteFailure({ result, error }: Exclude<JobAnswer<Job>, { readonly result: 'job' }>): void {
    if (this.#state === 'stopped') return
    this.counters.requestFailures += 1
    const { logger, clock } = this.#options
    const { nextAt, paused, refusals } = this.#pace
    const isRefusal = result === 'refused'
    this.#trouble = { since: this.#trouble?.since ?? clock.now(), isRefusal, ...(error && { error }) }
    const fields = { result, wait_seconds: loggedSeconds(nextAt - clock.now()), ...(error && { error }) }
    if (isRefusal && paused)
      logger.error({ ...fields, refusals }, `GitLab refuses the runner's token, paused: ${endOfRefusals}`)
    else logger.warn(fields, isRefusal ? "GitLab refuses the runner's token" : 'job request failed')
  }
}
