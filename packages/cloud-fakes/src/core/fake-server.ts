import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Clock } from '@runner-core/fleeting'
import type { CloudCall, CloudFault, FaultyCall } from '@runner-core/fleeting/testing'
import { Faults } from './faults.ts'
import { type RateLimit, RateLimits } from './rate-limits.ts'

export interface FakeRequest {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface FakeAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
}

/** What a request asks for. */
export interface Route {
  /** The cloud's own name of it. */
  readonly operation: string
  /** Which faults it meets. Absent: none. */
  readonly call?: FaultyCall
  /** The rate limit that it draws from. */
  readonly bucket: string
  /** How much it draws. Default 1. */
  readonly cost?: number
  /** Does it. */
  act(): FakeAnswer | Promise<FakeAnswer>
}

/** A fault that is said in the cloud's own words. */
export type SpokenFault = CloudFault & { readonly kind: Exclude<CloudFault['kind'], 'reset' | 'hang' | 'lost_answer'> }

/** One cloud's protocol. */
export interface FakeApi {
  /** What the request asks for; an answer when it asks for nothing that this API has. */
  route(request: FakeRequest): Route | FakeAnswer
  /** The cloud's words for a fault. Undefined: the cloud takes the call and fails later, and the API has seen to it. */
  refuse(fault: SpokenFault, route: Route): FakeAnswer | undefined
  /** How the cloud says in each answer what is left of a rate limit. Absent: it does not. */
  headroom?(bucket: string, left: number): Readonly<Record<string, string>>
}

/** A request with its answer, as a validator wants to see them. */
export interface Exchange {
  readonly operation: string
  readonly request: FakeRequest
  readonly answer: FakeAnswer
}

export interface FakeServerOptions {
  readonly clock: Clock
  /** Serves TLS with this certificate. Default: plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** By bucket. Default: nothing is limited. */
  readonly rateLimits?: Readonly<Record<string, RateLimit>>
  /** Called with each request that was answered. */
  readonly onExchange?: (exchange: Exchange) => void
}

/**
 * Serves one cloud's API on a loopback port: rate limits, faults and the record of calls are here, the protocol is in
 * the {@link FakeApi}.
 */
export class FakeServer implements AsyncDisposable {
  readonly faults: Faults = new Faults()
  readonly calls: CloudCall[] = []
  readonly #api: FakeApi
  readonly #options: FakeServerOptions
  readonly #server: ReturnType<typeof createServer>
  readonly #limits: RateLimits
  readonly #sockets = new Set<Socket>()

  static async start(api: FakeApi, options: FakeServerOptions): Promise<FakeServer> {
    const server = new FakeServer(api, options)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  private constructor(api: FakeApi, options: FakeServerOptions) {
    this.#api = api
    this.#options = options
    this.#limits = new RateLimits(options.rateLimits ?? {})
    const serve = (request: IncomingMessage, response: ServerResponse): void => void this.#serve(request, response)
    this.#server = options.tls === undefined ? createServer(serve) : createTlsServer(options.tls, serve)
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** For example `http://127.0.0.1:4711`. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(incoming).catch(() => undefined)
    // The client went away while it spoke.
    if (body === undefined) return
    const request = {
      method: incoming.method ?? 'GET',
      url: new URL(incoming.url ?? '/', this.url),
      headers: incoming.headers,
      body,
    }
    const route = this.#api.route(request)
    if (!('act' in route)) return this.#send(response, 'unknown', request, route)

    const { operation, bucket, cost = 1 } = route
    const at = this.#options.clock.now()
    const note = (status: number): number => this.calls.push({ operation, bucket, cost, at, status })
    const retryAfterMs = this.#limits.draw(bucket, cost, at)
    const dry: CloudFault | undefined =
      retryAfterMs > 0 ? { kind: 'throttled', on: route.call ?? 'list', retryAfterMs } : undefined
    const fault = dry ?? this.faults.take(route.call)
    if (fault?.kind === 'hang') return void note(0)
    if (fault?.kind === 'lost_answer') await route.act()
    if (fault?.kind === 'reset' || fault?.kind === 'lost_answer') {
      note(0)
      // A TLS socket cannot be reset; closed before the answer it looks the same to its client.
      if ('encrypted' in incoming.socket) incoming.socket.destroy()
      else incoming.socket.resetAndDestroy()
      return
    }
    const refusal = fault === undefined ? undefined : this.#api.refuse(fault as SpokenFault, route)
    const { headers, ...rest } = refusal ?? (await route.act())
    const left = this.#limits.left(bucket, at)
    const answer = {
      ...rest,
      headers: { ...headers, ...(left !== undefined && this.#api.headroom?.(bucket, Math.floor(left))) },
    }
    note(answer.status)
    this.#send(response, operation, request, answer)
  }

  #send(response: ServerResponse, operation: string, request: FakeRequest, answer: FakeAnswer): void {
    response.writeHead(answer.status, answer.headers).end(answer.body)
    this.#options.onExchange?.({ operation, request, answer })
  }
}
