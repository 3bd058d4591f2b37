import { type Clock, deadline, type Logger, type Random, silentLogger, systemClock } from '@runner-core/fleeting'
import type { ArtifactDownload, ArtifactUpload, JobPayload } from '@runner-core/job'
import { downloadArtifact } from './artifacts/artifact-download.ts'
import { uploadArtifact, uploadQuery } from './artifacts/artifact-upload.ts'
import { type ConnectionOptions, openRoute, type Route } from './http/connections.ts'
import { exchange, type HttpAnswer, type HttpRequest } from './http/exchange.ts'
import { JobApiError } from './http/job-api-error.ts'
import { RedirectGuard } from './http/redirect-guard.ts'
import { retryingExchange, type Send } from './http/retrying-exchange.ts'
import { type JobReply, readJobReply, statusError } from './job-reply.ts'
import { type JobCredentials, parseJob } from './payload/parse-job.ts'
import { failUnusableJob } from './payload/unusable-job.ts'
import { type PollTimes, pollPatienceMs, withPoll } from './poll-patience.ts'
import { type RunnerInfo, userAgent } from './runner-info.ts'

export interface JobApiClientOptions extends ConnectionOptions {
  /** The coordinator's URL as in `config.toml`; `http` or `https`. */
  readonly url: string
  /** The runner's authentication token. */
  readonly token: string
  /** Tells this runner manager from others with the same token. */
  readonly systemId: string
  readonly info: RunnerInfo
  /**
   * Hosts that artifacts may be got from and sent to though their addresses are private and the coordinator's is not.
   * Default: none.
   */
  readonly artifactHosts?: readonly string[]
  /** Opens the ways to the server: one for requests that it may park, one for all others. Default: over the network. */
  readonly openRoute?: (url: URL, options: ConnectionOptions, answerTimeoutMs: number) => Route
  /**
   * Longest time that a request for a job may take, milliseconds; within it the client learns from the server, see
   * {@link pollPatienceMs}. Default 10 min.
   */
  readonly pollTimeoutMs?: number
  /** Longest silence in any other answer, milliseconds. Default 2 min. */
  readonly callTimeoutMs?: number
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

/**
 * How a request for a job was answered: `refused` means the runner's token; `failed` everything that is no fault of the
 * token.
 */
export type JobRequestAnswer =
  | { readonly result: 'job'; readonly job: JobPayload }
  /**
   * `askAgain`: another request at once is no waste, since the server parks requests (this one, or the next), or its
   * queue is not what it was.
   */
  | { readonly result: 'none'; readonly askAgain: boolean }
  | { readonly result: 'conflict' }
  | { readonly result: 'refused' | 'failed'; readonly error: JobApiError }

export interface JobUpdate {
  readonly state: 'running' | 'success' | 'failed'
  readonly failureReason?: string
  /** 0 is not sent. */
  readonly exitCode?: number
  /** What the trace must be on the server. */
  readonly output?: { readonly crc32: number; readonly bytes: number }
}

/**
 * GitLab's job API for one runner. Connections are kept and shared; requests for jobs, which a server may park for a
 * minute, have connections of their own. While the server says "later" (429, 5xx) a call waits and tries again, up to
 * five times.
 *
 * Calls reject with a {@link JobApiError} when no answer came, and with the signal's reason when it aborts; what an
 * answer means is for the caller.
 */
export class JobApiClient {
  readonly #options: JobApiClientOptions
  readonly #clock: Clock
  readonly #random: Random
  readonly #logger: Logger
  readonly #coordinator: URL
  readonly #basePath: string
  readonly #userAgent: string
  readonly #redirects: RedirectGuard
  readonly #polls: Route
  readonly #calls: Route
  #lastUpdate: string | undefined
  #pollTimes: PollTimes = []
  /** Whether the server has ever said that it parks requests. */
  #parks = false

  /** Thrown: {@link JobApiError} `invalid_config`. */
  constructor(options: JobApiClientOptions) {
    const url = parseUrl(options.url)
    this.#options = options
    this.#coordinator = url
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.#logger = options.logger ?? silentLogger
    this.#basePath = `${url.pathname.replace(/\/+$/, '').replace(/\/ci$/, '')}/api/v4`
    this.#userAgent = userAgent(options.info)
    this.#redirects = new RedirectGuard({ coordinator: url, artifactHosts: options.artifactHosts ?? [] })
    const open = options.openRoute ?? openRoute
    this.#polls = open(url, options, this.#pollTimeoutMs)
    this.#calls = open(url, options, this.#callTimeoutMs)
  }

  /**
   * Asks for a job. With `mayPark` (the default) the server may take its time, until there is one; without, it answers
   * at once. A job that cannot be understood is given back as failed, with what is wrong with it in its trace, and
   * comes out as `failed` with the code `invalid_job`.
   */
  async requestJob({
    signal,
    mayPark = true,
  }: {
    readonly signal?: AbortSignal
    readonly mayPark?: boolean
  } = {}): Promise<JobRequestAnswer> {
    const { info, token, systemId } = this.#options
    // A server parks requests whose last_update is still the newest.
    const sent = mayPark ? this.#lastUpdate : undefined
    const body = JSON.stringify({ info, token, system_id: systemId, last_update: sent })
    const headers = { 'content-type': 'application/json', accept: 'application/json', 'runner-token': token }
    let answer: HttpAnswer
    try {
      const request: HttpRequest = { method: 'POST', path: '/jobs/request', headers, body }
      answer = await this.#send(this.#polls, request, signal, this.#patientSend(sent !== undefined))
    } catch (error) {
      if (error instanceof JobApiError) return { result: 'failed', error }
      throw error
    }
    const lastUpdate = answer.headers['x-gitlab-last-update']
    if (typeof lastUpdate === 'string' && lastUpdate !== '') this.#lastUpdate = lastUpdate
    this.#parks ||= parks(answer)
    switch (answer.status) {
      case 201:
        return await this.#readJob(answer, signal)
      case 204:
        return { result: 'none', askAgain: this.#parks || (mayPark && lastUpdate !== sent) }
      case 409:
        return { result: 'conflict' }
      default: {
        const result = answer.status === 403 ? 'refused' : 'failed'
        const { origin, pathname } = this.#coordinator
        const what = `request for a job to ${origin}${pathname.replace(/\/+$/, '')}`
        return { result, error: statusError(what, readJobReply(answer, this.#clock.wallTime())) }
      }
    }
  }

  /** Tells how a job is doing. Repeating it does no harm. */
  async updateJob(job: JobCredentials, update: JobUpdate, signal?: AbortSignal): Promise<JobReply> {
    const { info } = this.#options
    const { state, failureReason, exitCode, output } = update
    const checksum = output && `crc32:${output.crc32.toString(16).padStart(8, '0')}`
    const body = JSON.stringify({
      info,
      token: job.token,
      state,
      failure_reason: failureReason,
      // Once more for servers that do not know `output` yet.
      checksum,
      output: output && { checksum, bytesize: output.bytes },
      exit_code: exitCode || undefined,
    })
    const headers = { 'content-type': 'application/json', accept: 'application/json', 'job-token': job.token }
    return await this.#call({ method: 'PUT', path: `/jobs/${job.id}`, headers, body }, signal)
  }

  /** Sends the bytes of a job's trace from `start` on: at least one, at most 1 MiB. */
  async patchTrace(
    job: JobCredentials,
    { start, bytes, isDebugTrace }: { readonly start: number; readonly bytes: Buffer; readonly isDebugTrace: boolean },
    signal?: AbortSignal,
  ): Promise<JobReply> {
    const headers = {
      'content-type': 'text/plain',
      'content-range': `${start}-${start + bytes.length - 1}`,
      'job-token': job.token,
    }
    const path = `/jobs/${job.id}/trace?debug_trace=${isDebugTrace}`
    return await this.#call({ method: 'PATCH', path, headers, body: bytes }, signal)
  }

  /**
   * Artifacts of an earlier job, with that job's token; once more while the server says "later". Rejects with
   * `ArtifactDownloadError`, as the bytes do; with the signal's reason.
   */
  async downloadArtifacts(
    { id, token }: JobCredentials,
    { mayBeElsewhere, signal }: ArtifactDownload,
  ): Promise<AsyncIterable<Buffer>> {
    return await downloadArtifact({
      route: this.#calls,
      coordinator: this.#coordinator,
      path: `${this.#basePath}/jobs/${id}/artifacts${mayBeElsewhere ? '?direct_download=true' : ''}`,
      userAgent: this.#userAgent,
      token,
      connections: this.#options,
      redirects: this.#redirects,
      timeoutMs: this.#callTimeoutMs,
      clock: this.#clock,
      random: this.#random,
      signal,
    })
  }

  /**
   * Artifacts of a running job. Resolves with the server's word. Rejects with `ArtifactUploadError`, the signal's
   * reason, and what their content throws.
   */
  async uploadArtifacts({ id, token }: JobCredentials, upload: ArtifactUpload): Promise<string> {
    return await uploadArtifact(upload, {
      route: this.#calls,
      coordinator: this.#coordinator,
      path: `${this.#basePath}/jobs/${id}/artifacts${uploadQuery(upload)}`,
      userAgent: this.#userAgent,
      token,
      connections: this.#options,
      redirects: this.#redirects,
      clock: this.#clock,
      random: this.#random,
    })
  }

  /** Ends every connection, and what is under way on them. */
  async close(): Promise<void> {
    await Promise.all([this.#polls.dispatcher.destroy(), this.#calls.dispatcher.destroy()])
  }

  get #pollTimeoutMs(): number {
    return this.#options.pollTimeoutMs ?? 600_000
  }

  get #callTimeoutMs(): number {
    return this.#options.callTimeoutMs ?? 120_000
  }

  async #call(request: HttpRequest, signal?: AbortSignal): Promise<JobReply> {
    return readJobReply(await this.#send(this.#calls, request, signal), this.#clock.wallTime())
  }

  /**
   * Gives up what takes far longer than it may: a connection that something on the way has forgotten looks like a
   * server that parks a request.
   */
  #patientSend(mayPark: boolean): Send {
    return async (dispatcher, request, signal) => {
      const startedAt = this.#clock.now()
      const patienceMs = pollPatienceMs(this.#pollTimes, { mayPark, maxMs: this.#pollTimeoutMs })
      const tooLate = (): JobApiError => {
        // The next request is not parked, so that its answer shows at once whether the server is there.
        this.#lastUpdate = undefined
        const message = `no answer to a request for a job in ${Math.round(patienceMs / 1000)} s: the request is abandoned; a job assigned by it returns to GitLab's queue`
        return new JobApiError('timeout', message)
      }
      using limit = deadline(this.#clock, patienceMs, tooLate, signal)
      const answer = await exchange(dispatcher, request, limit.signal)
      this.#pollTimes = withPoll(this.#pollTimes, this.#clock.now() - startedAt)
      return answer
    }
  }

  #send(
    { dispatcher, origin, pathPrefix, headers }: Route,
    request: HttpRequest,
    signal?: AbortSignal,
    send?: Send,
  ): Promise<HttpAnswer> {
    const sent = {
      ...request,
      origin,
      path: `${pathPrefix}${this.#basePath}${request.path}`,
      headers: { 'user-agent': this.#userAgent, ...headers, ...request.headers },
    }
    return retryingExchange(
      dispatcher,
      sent,
      { clock: this.#clock, random: this.#random, ...(send !== undefined && { send }) },
      signal,
    )
  }

  async #readJob(answer: HttpAnswer, signal?: AbortSignal): Promise<JobRequestAnswer> {
    const parsed = parseJob(answer)
    if ('job' in parsed) return { result: 'job', job: parsed.job }
    const { problems, credentials } = parsed
    const error = new JobApiError('invalid_job', `a job that cannot be understood: ${problems.join('; ')}`, {
      status: 201,
    })
    this.#logger.error({ job: credentials?.id, problems }, 'job cannot be understood')
    if (credentials) await failUnusableJob(this, credentials, problems, this.#logger, signal)
    return { result: 'failed', error }
  }
}

/**
 * Workhorse says so in every answer. What it answers to a request that it had parked has nothing else: not even a
 * `last_update`, when the queue has changed.
 */
function parks({ headers }: HttpAnswer): boolean {
  return headers['gitlab-ci-builds-polling'] === 'yes'
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text)
    if (url.protocol === 'http:' || url.protocol === 'https:') return url
  } catch {}
  throw new JobApiError('invalid_config', 'url: expected an http or https URL')
}
