import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, systemClock } from '@runner-core/fleeting'
import { type ApiRequest, classify } from './api-request.ts'
import type { CoordinatorJob } from './coordinator-job.ts'
import { type Endpoint, type Fault, FaultScript, isEffective } from './fault.ts'
import { JobApi, type JobApiOptions, type Violation } from './job-api.ts'
import type { JobSpec } from './job-spec.ts'
import { receiveUpload } from './receive-upload.ts'
import { type Reply, refusal, reply } from './reply.ts'

/** How the coordinator behaves; the defaults are GitLab's. */
export interface CoordinatorOptions extends Partial<JobApiOptions> {
  /** Default: the machine's own. */
  readonly clock?: Clock
  /** Port on 127.0.0.1. Default: a free one. */
  readonly port?: number
}

/** The largest body that is read. */
const maxBodyBytes = 8 * 1024 * 1024
/** Of an upload, more is only counted and digested. */
const keptUploadBytes = 64 * 1024 * 1024

/**
 * An HTTP server on 127.0.0.1 that speaks GitLab's job API and holds its clients to the rules: what Rails and Workhorse
 * would refuse is refused in the same way, and everything else that a well-behaved runner would not do is written down
 * in {@link violations}. For tests, demonstrations and benchmarks.
 */
export class Coordinator implements AsyncDisposable {
  /** The token of the only runner it knows, unless configured otherwise. */
  static readonly token = 'glrt-coordinator0000000'

  readonly url: string
  readonly #server: Server
  readonly #clock: Clock
  readonly #api: JobApi
  readonly #faults = new FaultScript()
  readonly #counts = new Map<string, number>()
  readonly #artifactLimitBytes: number
  readonly #uploading = new Map<IncomingMessage, number>()

  private constructor(server: Server, { clock = systemClock, ...options }: Omit<CoordinatorOptions, 'port'>) {
    this.#server = server
    this.#clock = clock
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.#artifactLimitBytes = options.artifactLimitBytes ?? 5 * 1024 ** 3
    this.#api = new JobApi(this.url, clock, {
      tokens: [Coordinator.token],
      longPollMs: 50_000,
      ackWindowMs: 120_000,
      traceUpdateIntervalSeconds: 3,
      traceLimitBytes: 100 * 1024 * 1024,
      artifactLimitBytes: this.#artifactLimitBytes,
      jobRequestsPerMinute: 200,
      ...options,
    })
    server.on('request', (request, response) => this.#receive(request, response))
  }

  /** Listens. Thrown: why it cannot, for example since the port is taken. */
  static async start({ port = 0, ...options }: CoordinatorOptions = {}): Promise<Coordinator> {
    // Longer than any client keeps an idle connection, so that none is closed under a request.
    const server = createServer({ keepAliveTimeout: 180_000, noDelay: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
    return new Coordinator(server, options)
  }

  /** Puts a job at the end of the queue and wakes whoever waits for one. */
  enqueue(spec: JobSpec): CoordinatorJob {
    return this.#api.enqueue(spec)
  }

  /** Every job ever enqueued, oldest first. */
  get jobs(): readonly CoordinatorJob[] {
    return this.#api.jobs
  }

  /** What clients did that the job API does not allow, oldest first. */
  get violations(): readonly Violation[] {
    return this.#api.violations
  }

  /** Job requests that are parked now. */
  get parkedRequests(): number {
    return this.#api.queue.parked
  }

  /** Bytes that have come of uploads of artifacts that are under way; 0 when none is. */
  get uploadingBytes(): number {
    return [...this.#uploading.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  /** Makes something go wrong with requests to come. */
  inject(fault: Fault): void {
    this.#faults.add(fault)
  }

  /** Takes back all faults that have not come yet. */
  clearFaults(): void {
    this.#faults.clear()
  }

  /** How many requests to an endpoint were answered, with this status or with any; a dropped one has status 0. */
  count(endpoint: Endpoint, status?: number): number {
    return this.#counts.get(status === undefined ? endpoint : `${endpoint} ${status}`) ?? 0
  }

  /** Stops listening and closes all connections, those of parked requests included. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #receive(message: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = message
    const request = classify(method, url, headers, Buffer.alloc(0), this.#awaitsAck)
    if (request.endpoint === 'upload') void this.#receiveUpload(message, request, response)
    else this.#receiveWhole(message, response)
  }

  /** A body of any length. */
  async #receiveUpload(message: IncomingMessage, request: ApiRequest, response: ServerResponse): Promise<void> {
    const fault = this.#faults.take(request.endpoint, request.jobId)
    const limitBytes = this.#artifactLimitBytes
    const upload = await receiveUpload(message, {
      keptBytes: keptUploadBytes,
      limitBytes,
      cutAfterBytes: fault?.cutAfterBytes,
      onBytes: (received) => this.#uploading.set(message, received),
    })
    this.#uploading.delete(message)
    if (upload !== 'broken') return this.#handle({ ...request, upload }, response, fault)
    const job = this.#api.job(request.jobId)
    if (job !== undefined) job.disturbed = true
    this.#finish(request, response, 'drop')
  }

  #receiveWhole(message: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = []
    let size = 0
    message.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxBodyBytes) chunks.push(chunk)
    })
    message.on('end', () => {
      const { method = '', url = '', headers } = message
      if (size > maxBodyBytes) this.#send(response, 'unknown', refusal(413, 'Request Entity Too Large'))
      else {
        const request = classify(method, url, headers, Buffer.concat(chunks), this.#awaitsAck)
        this.#handle(request, response, this.#faults.take(request.endpoint, request.jobId))
      }
    })
  }

  readonly #awaitsAck = (jobId: number): boolean => this.#api.job(jobId)?.state === 'assigned'

  #handle(request: ApiRequest, response: ServerResponse, fault: Fault | undefined): void {
    const job = this.#api.job(request.jobId)
    if (fault !== undefined && job !== undefined) job.disturbed = true

    const send = (honest: Reply): void => {
      const answer = fault === undefined ? honest : distort(honest, fault)
      if (fault?.delayMs === undefined) this.#finish(request, response, answer)
      else this.#clock.after(fault.delayMs, () => this.#finish(request, response, answer))
    }
    const answer = fault === undefined || isEffective(fault) ? this.#api.answer(request) : reply(500)
    if (typeof answer === 'function') response.on('close', answer(send))
    else send(answer)
  }

  #finish(request: ApiRequest, response: ServerResponse, answer: Reply | 'drop'): void {
    if (answer === 'drop') {
      this.#tally(request.endpoint, 0)
      response.destroy()
    } else {
      this.#api.replied(request, answer)
      this.#send(response, request.endpoint, answer)
    }
  }

  #send(response: ServerResponse, endpoint: Endpoint, { status, headers, body }: Reply): void {
    this.#tally(endpoint, status)
    response.writeHead(status, status === 204 ? headers : { 'Content-Length': Buffer.byteLength(body), ...headers })
    response.end(body)
  }

  #tally(endpoint: Endpoint, status: number): void {
    for (const key of [endpoint, `${endpoint} ${status}`]) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }
}

function distort(honest: Reply, { reply: wanted }: Fault): Reply | 'drop' {
  if (wanted === undefined || wanted === 'drop') return wanted ?? honest
  return typeof wanted === 'function' ? wanted(honest) : { ...reply(wanted.status ?? 200), ...wanted }
}
