import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { engineSocket } from '@runner-core/testkit/containers/engine-socket'
import type { OpenSocket } from '../src/engine/engine-connection.ts'

const enginePath = engineSocket()

/** Answers by itself and says so, or lets the Engine answer. */
export type EngineFault = (request: IncomingMessage, response: ServerResponse) => boolean

/** What stands before this machine's Engine, and does what Engines and the ways to them do. */
export class EngineFront implements AsyncDisposable {
  /** Methods and paths of all requests. */
  readonly asked: string[] = []
  fault: EngineFault = () => false
  readonly #directory = mkdtempSync(join(tmpdir(), 'engine-front-'))
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isAway = false
  #isStuck = false

  private constructor() {
    this.#server = createServer((request, response) => this.#forward(request, response))
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#upgrade(request, socket, head),
    )
  }

  static async start(): Promise<EngineFront> {
    const front = new EngineFront()
    front.#server.listen(front.#path)
    await once(front.#server, 'listening')
    return front
  }

  readonly open: OpenSocket = async () => {
    if (this.#isAway) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    const socket = connect({ path: this.#path, allowHalfOpen: true })
    await once(socket, 'connect')
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (this.#isStuck) socket.pause()
    return socket
  }

  /** Breaks every connection, and refuses new ones. */
  goAway(): void {
    this.#isAway = true
    for (const socket of this.#sockets) socket.destroy(new Error('read ECONNRESET'))
  }

  comeBack(): void {
    this.#isAway = this.#isStuck = false
  }

  /** Keeps every connection, and answers nothing more. */
  hang(): void {
    this.#isStuck = true
    this.fault = () => true
    for (const socket of this.#sockets) {
      socket.removeAllListeners('data')
      socket.pause()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.goAway()
    this.#server.close()
    this.#server.closeAllConnections()
    rmSync(this.#directory, { recursive: true })
  }

  get #path(): string {
    return join(this.#directory, 'docker.sock')
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request
    this.asked.push(`${method} ${url}`)
    if (this.fault(request, response)) return
    const forwarded = httpRequest({ socketPath: enginePath, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      response.flushHeaders()
      answer.pipe(response)
      answer.on('error', () => response.destroy())
    })
    forwarded.on('error', () => response.destroy())
    response.on('close', () => forwarded.destroy())
    request.pipe(forwarded)
  }

  #upgrade({ method, url, headers }: IncomingMessage, socket: Socket, head: Buffer): void {
    this.asked.push(`${method} ${url}`)
    const engine = connect({ path: enginePath, allowHalfOpen: true })
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`)
    engine.write(`${method} ${url} HTTP/1.1\r\n${lines.join('')}\r\n`)
    engine.write(head)
    engine.pipe(socket)
    socket.pipe(engine)
    for (const [one, other] of [
      [engine, socket],
      [socket, engine],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
  }
}

/** A status with the words of an Engine. */
export function refuse(response: ServerResponse, status: number, message: string): true {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ message }))
  return true
}
