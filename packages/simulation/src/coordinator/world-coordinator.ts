import type { Clock } from '@runner-core/fleeting'
import { type ApiRequest, classify, JobApi, type Reply } from '@runner-core/runner/internals'
import type { Answer } from '../checker/index.ts'
import { type Act, lineOf } from '../machine/job-program.ts'
import type { WorldHistory } from '../world-history.ts'
import type { WorldProcess } from '../world-process.ts'

type CoordinatorJob = ReturnType<JobApi['enqueue']>

/** A job of the world. */
export interface WorldJob {
  readonly name: string
  /** Of its script, as it was meant; `Infinity`: it hangs. */
  readonly durationMs: number
  readonly state: 'queued' | 'assigned' | 'running' | 'ended'
  /** As GitLab has it. */
  readonly api: CoordinatorJob
  /** Times that it was handed out. */
  attempts: number
  /** To whom last. */
  holder: WorldProcess | undefined
  /** Whether the last hand-out was neither accepted nor taken back. */
  isOffered: boolean
}

/** What only some jobs have. */
export interface JobExtras {
  readonly hasAfterScript?: boolean
  /** In containers. */
  readonly hasService?: boolean
  readonly ownNetwork?: boolean
}

/** A request as it leaves a process. */
export interface WireRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** What the network makes of the next so many requests of a kind. */
export type WireFault =
  /** Done, and the answer lost. */
  | 'answer lost'
  /** Not done: the connection breaks. */
  | 'reset'
  /** Not done: the server says that it failed. */
  | 'failed'
  /** Never answered. */
  | 'silent'

export type Endpoint = ApiRequest['endpoint']

/** How long a request for a job is parked. */
const longPollMs = 50_000
/** A job that nobody accepted by then is handed out again. */
const ackWindowMs = 30_000
/** What a job may take, preparation included. */
const jobTimeoutSeconds = 400
/** A running job that nobody spoke of for so long is given up: GitLab waits for an hour. */
const abandonedMs = 20 * 60_000

export const runnerToken = 'glrt-world000000000000'

/**
 * GitLab's job API, answered in memory: tokens, ranges, checksums, two-phase hand-outs and cancels as the embedded
 * coordinator has them; with a network that loses and breaks.
 */
export class WorldCoordinator {
  readonly jobs: WorldJob[] = []
  /** Until then every call fails. */
  outageUntil: number = Number.NEGATIVE_INFINITY
  /** Whether it cannot be reached then; otherwise it says 502. */
  isUnreachable = false
  readonly #clock: Clock
  readonly #api: JobApi
  readonly #history: WorldHistory
  readonly #faults = new Map<Endpoint, { readonly fault: WireFault; left: number }[]>()
  readonly #spokenAt = new Map<number, number>()
  readonly #projects: number

  /** `projects`: how many the jobs are of. */
  constructor(clock: Clock, history: WorldHistory, projects = 1) {
    this.#projects = projects
    this.#clock = clock
    this.#history = history
    this.#api = new JobApi('http://gitlab.world', clock, {
      tokens: [runnerToken],
      longPollMs,
      ackWindowMs,
      traceUpdateIntervalSeconds: 3,
      traceLimitBytes: 1024 * 1024,
      artifactLimitBytes: 1024 * 1024,
      jobRequestsPerMinute: 200,
    })
  }

  /** What clients did that the job API does not allow. */
  get violations(): JobApi['violations'] {
    return this.#api.violations
  }

  /** `acts`: what it does before its time is over. */
  enqueue(durationMs: number, acts: readonly Act[] = [], more: JobExtras = {}): WorldJob {
    const name = `j${this.jobs.length + 1}`
    const pieces = Math.min(4, 1 + Math.floor(durationMs / 10_000))
    const work: readonly Act[] =
      durationMs === Number.POSITIVE_INFINITY
        ? [{ print: 1 }, { hang: true }]
        : Array.from({ length: pieces }, (_, index): Act[] => [
            { print: index + 1 },
            { sleepMs: Math.round(durationMs / pieces) },
          ]).flat()
    // It is in the job's script and among its variables, and the script says it.
    const secret = `sesame-${name}-opens`
    const script = [
      { job: name },
      { secret },
      ...acts.filter((act) => !('exit' in act)),
      ...work,
      ...acts.filter((act) => 'exit' in act),
    ]
    const variables = [
      { key: 'SESAME', value: secret, masked: true },
      ...(more.ownNetwork === true ? [{ key: 'FF_NETWORK_PER_BUILD', value: 'true' }] : []),
    ]
    const afterScript = more.hasAfterScript === true ? [{ after: name }, { print: 100 }].map(lineOf) : undefined
    const service = {
      name: 'world/service:1',
      alias: 'db',
      entrypoint: null,
      command: null,
      ports: null,
      variables: [],
    }
    // Two of one project, then two of the next.
    const project = 1 + (Math.floor(this.jobs.length / 2) % this.#projects)
    const spec = {
      name,
      project,
      script: script.map(lineOf),
      variables,
      timeoutSeconds: jobTimeoutSeconds,
      ...(afterScript !== undefined && { afterScript }),
      ...(more.hasService === true && { override: { services: [service] } }),
    }
    const api = this.#api.enqueue(spec)
    const job: WorldJob = {
      name,
      durationMs,
      api,
      attempts: 0,
      holder: undefined,
      isOffered: false,
      get state() {
        return api.hasEnded
          ? 'ended'
          : api.state === 'pending'
            ? 'queued'
            : api.state === 'assigned'
              ? 'assigned'
              : 'running'
      },
    }
    this.jobs.push(job)
    this.#history.tell({ kind: 'secret', text: secret })
    this.#history.tell({ kind: 'job', job: name, project: String(project) })
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
    if (job.api.hasEnded) return
    this.#history.tell({ kind: 'cancel_asked', job: job.name })
    job.api.cancel()
    if (job.api.hasEnded) this.#history.tell({ kind: 'ended', job: job.name, state: 'canceled', by: 'cancel' })
  }

  /** Hand-outs that nobody accepted in time are taken back by themselves. */
  look(): void {
    for (const job of this.jobs) {
      if (!job.isOffered || job.state === 'assigned') continue
      job.isOffered = false
      if (job.state === 'queued') this.#history.tell({ kind: 'taken_back', job: job.name, attempt: attemptOf(job) })
    }
  }

  /** The next `times` requests of this kind meet it. */
  fail(on: Endpoint, fault: WireFault, times = 1): void {
    const queue = this.#faults.get(on) ?? []
    queue.push({ fault, left: times })
    this.#faults.set(on, queue)
  }

  heal(): void {
    this.#faults.clear()
    this.outageUntil = Number.NEGATIVE_INFINITY
  }

  /** One exchange; rejects as a connection does that breaks. `signal`: the client gives it up. */
  async exchange(
    process: WorldProcess,
    { method, path, headers, body }: WireRequest,
    signal: AbortSignal,
  ): Promise<Reply> {
    this.look()
    if (this.#clock.now() < this.outageUntil) {
      if (this.isUnreachable) throw broken('ECONNREFUSED')
      return { status: 502, headers: { 'Content-Type': 'text/html' }, body: 'Bad Gateway' }
    }
    const request = classify(method, path, headers, body, (id) => this.#api.job(id)?.state === 'assigned')
    const fault = this.#takeFault(request.endpoint)
    const { jobId } = request
    const api = jobId === undefined ? undefined : this.#api.job(jobId)
    if (fault !== undefined && api !== undefined) api.disturbed = true
    if (fault === 'reset') throw broken('ECONNRESET')
    if (fault === 'failed')
      return {
        status: 500,
        headers: { 'Content-Type': 'application/json' },
        body: '{"message":"500 Internal Server Error"}',
      }
    if (fault === 'silent') return await new Promise(() => {})
    const answer = await this.#answer(process, request, signal)
    this.#api.replied(request, answer)
    this.look()
    const isHeard = fault !== 'answer lost' && process.isAlive && !signal.aborted
    const about =
      request.endpoint === 'request'
        ? this.#handedOut(process, answer, isHeard)
        : this.jobs.find((job) => job.api === api)
    if (about !== undefined) this.#spoke(about)
    if (about !== undefined && request.endpoint !== 'request') this.#tell(process, request, about, answer, isHeard)
    if (fault === 'answer lost') throw broken('ECONNRESET')
    return answer
  }

  #answer(process: WorldProcess, request: ApiRequest, signal: AbortSignal): Promise<Reply> {
    const answered = this.#api.answer(request)
    if (typeof answered !== 'function') return Promise.resolve(answered)
    return new Promise((resolve, reject) => {
      const abandon = answered((reply) => {
        stop()
        resolve(reply)
      })
      const stop = process.atEnd(abandon)
      const give = (): void => {
        abandon()
        stop()
        reject(signal.reason)
      }
      signal.addEventListener('abort', give, { once: true })
      if (signal.aborted) give()
    })
  }

  #handedOut(process: WorldProcess, answer: Reply, heard: boolean): WorldJob | undefined {
    if (answer.status !== 201) return undefined
    const { id, token } = JSON.parse(answer.body.toString()) as { readonly id: number; readonly token: string }
    const job = this.jobs.find(({ api }) => api.id === id)
    if (job === undefined) return undefined
    job.attempts += 1
    job.holder = process
    this.#history.tell({ kind: 'secret', text: token })
    job.isOffered = true
    this.#history.tell({ kind: 'handed_out', job: job.name, attempt: attemptOf(job), to: process.name, heard })
    return job
  }

  #tell(
    process: WorldProcess,
    { endpoint, json, headers, raw }: ApiRequest,
    job: WorldJob,
    { status }: Reply,
    heard: boolean,
  ): void {
    const answer = answerOf(status)
    const about = { job: job.name, attempt: attemptOf(job) }
    const told = { ...about, by: process.name, answer, heard }
    if (endpoint === 'accept') this.#history.tell({ kind: 'accept_told', ...told })
    if (endpoint === 'trace' && status === 202) {
      const offset = Number(headers['content-range']?.toString().split('-')[0])
      this.#history.tell({ kind: 'trace', ...about, offset, bytes: raw })
    }
    if (endpoint !== 'finish') return
    const {
      state,
      failure_reason: reason,
      output,
    } = json as { state: 'success' | 'failed'; failure_reason?: string; output?: Output }
    const trace = output && { crc32: Number.parseInt(output.checksum.split(':')[1] ?? '', 16), bytes: output.bytesize }
    this.#history.tell({
      kind: 'end_told',
      ...told,
      state,
      ...(reason !== undefined && { reason }),
      ...(trace && { trace }),
    })
    const ended = job.api.state
    if (status === 200 && (ended === 'success' || ended === 'failed' || ended === 'canceled'))
      this.#history.tell({
        kind: 'ended',
        job: job.name,
        state: ended,
        ...(reason !== undefined && { reason }),
        by: 'runner',
      })
  }

  #takeFault(endpoint: Endpoint): WireFault | undefined {
    const queue = this.#faults.get(endpoint)
    const first = queue?.[0]
    if (queue === undefined || first === undefined) return undefined
    first.left -= 1
    if (first.left <= 0) queue.shift()
    return first.fault
  }

  /** Somebody spoke of the job: from now on it is waited for again. */
  #spoke(job: WorldJob): void {
    const { id } = job.api
    const isWatched = this.#spokenAt.has(id)
    this.#spokenAt.set(id, this.#clock.now())
    if (isWatched) return
    const look = (): void => {
      const leftMs = this.#spokenAt.get(id)! + abandonedMs - this.#clock.now()
      if (job.api.hasEnded) return
      if (leftMs > 0 || job.state !== 'running') return void this.#clock.after(Math.max(leftMs, 60_000), look)
      job.api.end('failed', 'stuck_or_timeout_failure')
      this.#history.tell({ kind: 'ended', job: job.name, state: 'failed', by: 'abandoned' })
    }
    this.#clock.after(abandonedMs, look)
  }
}

interface Output {
  readonly checksum: string
  readonly bytesize: number
}

/** Names the last hand-out of a job. */
function attemptOf({ name, attempts }: WorldJob): string {
  return `${name}#${attempts}`
}

function answerOf(status: number): Answer {
  if (status === 200 || status === 201) return 'taken'
  if (status === 202 || status === 412) return 'again'
  return status >= 500 || status === 429 ? 'failed' : 'refused'
}

function broken(code: string): Error {
  return Object.assign(new Error(code === 'ECONNRESET' ? 'read ECONNRESET' : `connect ${code}`), { code })
}
