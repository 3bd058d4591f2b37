import { randomBytes } from 'node:crypto'
import type { Clock } from '@runner-core/fleeting'
import type { ApiRequest, ReportViolation, ViolationRule } from './api-request.ts'
import { appendTrace } from './append-trace.ts'
import { CoordinatorJob } from './coordinator-job.ts'
import type { Endpoint } from './fault.ts'
import { JobQueue } from './job-queue.ts'
import type { JobSpec } from './job-spec.ts'
import { sendArtifacts } from './left-artifacts.ts'
import { type Reply, refusal, reply } from './reply.ts'
import { RequestLimit } from './request-limit.ts'
import { authenticateRunner, type KnownRunner, verified } from './runner-requests.ts'
import { takeArtifacts } from './take-artifacts.ts'
import { updateJob } from './update-job.ts'

/** How the job API behaves; the coordinator's defaults are GitLab's. */
export interface JobApiOptions {
  /** Tokens of the runners it knows. Default: one, `Coordinator.token`. */
  readonly tokens: readonly string[]
  /** How long a job request is parked while nothing changes, milliseconds; 0: never. Default 50,000. */
  readonly longPollMs: number
  /** How long a runner with two-phase commit may take to accept a job, milliseconds. Default 120,000. */
  readonly ackWindowMs: number
  /** `X-GitLab-Trace-Update-Interval`, seconds. Default 3: as if somebody watched every trace. */
  readonly traceUpdateIntervalSeconds: number
  /** A job whose trace grows beyond fails as `trace_size_exceeded`, bytes. Default 100 MiB. */
  readonly traceLimitBytes: number
  /** More artifacts in one upload are refused, bytes. Default 5 GiB. */
  readonly artifactLimitBytes: number
  /** PATCHes and PUTs a minute that one job may make, each. Default 200. */
  readonly jobRequestsPerMinute: number
  /** URL of an `ArtifactBucket`: clients that may be sent there are. Default: none. */
  readonly artifactsElsewhere?: string
}

/** Something a client did that the job API does not allow. */
export interface Violation {
  readonly rule: ViolationRule
  readonly endpoint: Endpoint
  readonly jobId: number | undefined
  /** Whose doing it was, as far as it can be told. */
  readonly runnerToken: string | undefined
  readonly detail: string
}

/**
 * A job request that waits for something to change: calls back once with the reply, unless it is abandoned by the
 * function that it returns.
 */
export type ParkedRequest = (answer: (reply: Reply) => void) => () => void

/** Timers of client and server differ a little. */
const earlyToleranceMs = 100

/** A job and what is counted about it. */
interface Entry {
  readonly job: CoordinatorJob
  readonly traceLimit: RequestLimit
  readonly updateLimit: RequestLimit
  /** Before then the runner was asked not to repeat the request. */
  readonly notBefore: Map<Endpoint, number>
}

/** GitLab's job API without its HTTP server: requests in, replies out, violations noted. */
export class JobApi {
  readonly violations: Violation[] = []
  readonly queue: JobQueue = new JobQueue()
  readonly #entries = new Map<number, Entry>()
  readonly #clock: Clock
  readonly #options: JobApiOptions
  readonly #serverUrl: string

  constructor(serverUrl: string, clock: Clock, options: JobApiOptions) {
    this.#serverUrl = serverUrl
    this.#clock = clock
    this.#options = options
  }

  get jobs(): readonly CoordinatorJob[] {
    return [...this.#entries.values()].map(({ job }) => job)
  }

  job(id: number | undefined): CoordinatorJob | undefined {
    return this.#entry(id)?.job
  }

  enqueue(spec: JobSpec): CoordinatorJob {
    const job = new CoordinatorJob(this.#entries.size + 1, spec, this.#clock)
    const perMinute = this.#options.jobRequestsPerMinute
    const [traceLimit, updateLimit] = [new RequestLimit(perMinute), new RequestLimit(perMinute)]
    this.#entries.set(job.id, { job, traceLimit, updateLimit, notBefore: new Map() })
    this.queue.add(job)
    return job
  }

  answer(request: ApiRequest): Reply | ParkedRequest {
    const report: ReportViolation = (rule, detail) => {
      const { endpoint, jobId } = request
      this.violations.push({ rule, endpoint, jobId, runnerToken: this.#runnerOf(request), detail })
    }
    switch (request.endpoint) {
      case 'unknown':
        report('unknown_endpoint', request.target)
        return refusal(404, 'Not Found')
      case 'verify':
      case 'request': {
        const runner = authenticateRunner(request, this.#options.tokens, report)
        if ('status' in runner) return runner
        return request.endpoint === 'verify' ? verified(runner, this.#options.tokens) : this.#requestJob(runner)
      }
      default:
        return this.#answerAboutJob(request, report)
    }
  }

  /**
   * Notes what follows from a reply, honest or not: when the request may be repeated, and that a trace found wrong is
   * sent again from its start.
   */
  replied(request: ApiRequest, { status, headers }: Reply): void {
    const entry = this.#entry(request.jobId)
    if (entry === undefined) return
    if (request.endpoint === 'finish' && status === 412) {
      entry.job.disturbed = true
      entry.job.trace.reset()
    }
    const isPutOff = request.endpoint === 'finish' && status === 202
    const seconds = Number(isPutOff ? headers['X-GitLab-Trace-Update-Interval'] : headers['Retry-After'])
    if (seconds > 0) entry.notBefore.set(request.endpoint, this.#clock.now() + seconds * 1000)
  }

  #runnerOf({ jobId, json }: ApiRequest): string | undefined {
    const token = jobId === undefined ? json?.['token'] : this.job(jobId)?.assignment?.runnerToken
    return typeof token === 'string' ? token : undefined
  }

  #entry(id: number | undefined): Entry | undefined {
    return id === undefined ? undefined : this.#entries.get(id)
  }

  /**
   * Workhorse and Rails: a request that knows the newest value is parked, and told a bare 204 whatever ends the wait;
   * any other one looks at the queue. Where requests are parked at all, each reply says so.
   */
  #requestJob(runner: KnownRunner): Reply | ParkedRequest {
    const { longPollMs } = this.#options
    const { value } = this.queue
    const polling = longPollMs > 0 ? { 'Gitlab-Ci-Builds-Polling': 'yes' } : {}
    if (runner.lastUpdate !== value) {
      const { headers, ...answer } = this.#handOut(runner)
      return { ...answer, headers: { ...headers, ...polling } }
    }
    if (longPollMs === 0) return reply(204, { 'X-GitLab-Last-Update': value })
    return (answer) => {
      const abandon = (): void => {
        forget()
        stopTimer()
      }
      const wake = (): void => {
        abandon()
        answer(reply(204, polling))
      }
      const forget = this.queue.park(wake)
      const stopTimer = this.#clock.after(longPollMs, wake)
      return abandon
    }
  }

  #handOut(runner: KnownRunner): Reply {
    const { value, size } = this.queue
    const job = this.queue.take(runner.token, runner.features)
    if (job === undefined) return reply(204, { 'X-GitLab-Last-Update': value })
    const jobToken = `glcbt-${randomBytes(15).toString('base64url')}`
    job.assign({ jobToken, runnerToken: runner.token, features: runner.features }, this.#options.ackWindowMs, () =>
      this.queue.add(job),
    )
    return { ...reply(201), body: job.json(this.#serverUrl, jobToken, size) }
  }

  #answerAboutJob(request: ApiRequest, report: ReportViolation): Reply {
    const entry = this.#entry(request.jobId)
    if (entry === undefined) {
      report('token', 'no such job')
      return refusal(403, 'Forbidden')
    }
    const { job } = entry
    if (request.endpoint === 'download') return sendArtifacts(job, request, this.#options.artifactsElsewhere, report)
    const refused = authenticateJob(job, request, report) ?? this.#limit(entry, request, report)
    const answered = refused ?? this.#act(job, request, report)
    const interval = String(this.#options.traceUpdateIntervalSeconds)
    return {
      ...answered,
      headers: { 'Job-Status': job.status, 'X-GitLab-Trace-Update-Interval': interval, ...answered.headers },
    }
  }

  #act(job: CoordinatorJob, request: ApiRequest, report: ReportViolation): Reply {
    const { traceLimitBytes, ackWindowMs } = this.#options
    const extendAckWindow = (): void => job.extendAckWindow(ackWindowMs, () => this.queue.add(job))
    if (request.endpoint === 'upload') return takeArtifacts(job, request, report)
    const isTrace = request.endpoint === 'trace'
    const answered = isTrace
      ? appendTrace(job, request, traceLimitBytes, report)
      : updateJob(job, request, extendAckWindow, report)
    if (job.hasEnded) job.noteAfterEnd(request.endpoint)
    return answered
  }

  #limit(
    { notBefore, traceLimit, updateLimit }: Entry,
    request: ApiRequest,
    report: ReportViolation,
  ): Reply | undefined {
    const now = this.#clock.now()
    const earlyMs = (notBefore.get(request.endpoint) ?? now) - now
    if (earlyMs > earlyToleranceMs) report('retried_too_early', `by ${Math.ceil(earlyMs)} ms`)
    notBefore.delete(request.endpoint)
    const waitSeconds = (request.endpoint === 'trace' ? traceLimit : updateLimit).count(now)
    return waitSeconds === 0 ? undefined : refusal(429, 'Too Many Requests', { 'Retry-After': String(waitSeconds) })
  }
}

/** Returns the refusal, or undefined when the request may act on the job. */
function authenticateJob(job: CoordinatorJob, request: ApiRequest, report: ReportViolation): Reply | undefined {
  const header = request.headers['job-token']
  const token = ['trace', 'upload'].includes(request.endpoint) ? header : request.json?.['token']
  if (token === undefined || header !== token) report('token', 'JOB-TOKEN is absent, or not the token of the body')
  const standing = job.tokenStanding(token)
  if (standing === 'stale' && request.json?.['state'] === 'running') return refusal(409, 'Conflict')
  if (standing !== 'current') {
    if (standing === 'foreign') report('token', 'not the token of this job')
    return refusal(403, 'Forbidden')
  }
  if (job.hasEnded) {
    if (!job.noteAfterEnd(request.endpoint))
      report('request_after_end', `the runner had been told that the job is ${job.status}`)
    return refusal(403, 'Job is not processing on runner')
  }
  if (request.endpoint === 'trace' && job.state === 'assigned') {
    report('not_accepted', 'a trace before the job was accepted')
    return refusal(403, 'Job is not processing on runner')
  }
  return undefined
}
