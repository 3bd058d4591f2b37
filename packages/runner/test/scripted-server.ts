import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'

/** A request as it came in. */
export interface Received {
  readonly kind: Kind
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** The body, where it is JSON. */
  readonly json: Readonly<Record<string, unknown>>
  /** The client's port: the same for requests on the same connection. */
  readonly port: number | undefined
}

type Kind = 'request' | 'update' | 'trace'

/** What to answer: `reset` breaks the connection, before the answer or in the middle of its body. */
export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly reset?: 'before' | 'inBody'
  /** Answered only then. */
  readonly after?: Promise<void>
}

const kinds: Readonly<Record<string, Kind>> = { POST: 'request', PUT: 'update', PATCH: 'trace' }
const usual: Readonly<Record<Kind, Answer>> = {
  request: { status: 204 },
  update: { status: 200, body: '200' },
  trace: { status: 202, body: '202' },
}

/** A real HTTP server that answers as told, and remembers what it was asked. */
export class ScriptedServer implements AsyncDisposable {
  readonly received: Received[] = []
  readonly #answers: Record<Kind, Answer[]> = { request: [], update: [], trace: [] }
  readonly #server: ReturnType<typeof createServer>
  readonly #sockets = new Set<Socket>()
  #taken = 0
  #wake = (): void => {}

  private constructor(create: (listener: RequestListener) => ReturnType<typeof createServer>) {
    this.#server = create((request, response) => void this.#serve(request, response))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(tls?: {
    readonly key: Buffer
    readonly cert: Buffer
    readonly ca?: Buffer
    readonly requestCert?: boolean
  }): Promise<ScriptedServer> {
    const server = new ScriptedServer((listener) => (tls ? createTlsServer(tls, listener) : createServer(listener)))
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Adds answers to requests of a kind, one each; after them the usual ones are given. */
  answer(kind: Kind, ...answers: Answer[]): void {
    this.#answers[kind].push(...answers)
  }

  /** The next request that was not taken yet. Waits for it. */
  async take(): Promise<Received> {
    while (this.#taken === this.received.length) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.received[this.#taken++]!
  }

  /** How many requests came in that nobody took. */
  get untaken(): number {
    return this.received.length - this.#taken
  }

  /** Ends idle connections without a word, as a server does whose keep-alive time is over. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.dropConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const kind = kinds[request.method!]!
    const body = Buffer.concat(chunks).toString()
    const json =
      request.headers['content-type'] === 'application/json' ? (JSON.parse(body) as Record<string, unknown>) : {}
    const { method = '', url = '', headers, socket } = request
    this.received.push({ kind, method, path: url, headers, body, json, port: socket.remotePort })
    const answer = this.#answers[kind].shift() ?? usual[kind]
    this.#wake()
    await answer.after
    if (answer.reset === 'before') return void socket.destroy()
    const text = answer.body ?? ''
    response.writeHead(answer.status ?? usual[kind].status!, { 'content-type': 'application/json', ...answer.headers })
    if (answer.reset !== 'inBody') return void response.end(text)
    response.write(text.slice(0, 10), () => socket.destroy())
  }
}
