import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface FakeContainer {
  readonly id: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  state: string
  readonly createdAt: number
}

export interface Call {
  readonly method: string
  readonly path: string
  readonly body: string
}

interface Fault {
  readonly pattern: RegExp
  /** The answer, or `hang`: none. */
  readonly answer: { readonly statusCode: number; readonly message: string } | 'hang'
  times: number
}

/** The part of the Docker Engine API that the plugin uses, in memory, on a Unix socket. */
export class FakeDaemon {
  readonly containers = new Map<string, FakeContainer>()
  readonly calls: Call[] = []
  /** The largest number of creations and starts that were under way at once. */
  peak = 0
  image: object | undefined = { Architecture: 'arm64', Config: { Labels: { 'runner-core.sshd': '1' } } }
  readonly #directory = mkdtempSync(join(tmpdir(), 'daemon-'))
  readonly #server = createServer((request, response) => void this.#serve(request, response))
  readonly #tcp = createServer((request, response) => void this.#serve(request, response))
  readonly #faults: Fault[] = []
  #underWay = 0
  #created = 0

  get socketPath(): string {
    return join(this.#directory, 'docker.sock')
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.socketPath, resolve))
  }

  async stop(): Promise<void> {
    for (const server of [this.#server, this.#tcp]) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    rmSync(this.#directory, { recursive: true })
  }

  /** Listens on a port too, and answers which. */
  async listenTcp(): Promise<number> {
    this.#tcp.listen(0, '127.0.0.1')
    await once(this.#tcp, 'listening')
    return (this.#tcp.address() as AddressInfo).port
  }

  /** The next `times` calls whose method and path match get this answer. */
  fault(pattern: RegExp, answer: Fault['answer'], times = 1): void {
    this.#faults.push({ pattern, answer, times })
  }

  add(name: string, labels: Readonly<Record<string, string>>, state = 'running', createdAt = 0): string {
    this.#created += 1
    const id = this.#created.toString(16).padStart(12, '0').padEnd(64, 'f')
    this.containers.set(id, { id, name, labels, state, createdAt })
    return id.slice(0, 12)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const call = {
      method: request.method!,
      path: decodeURIComponent(request.url!),
      body: Buffer.concat(chunks).toString('latin1'),
    }
    this.calls.push(call)
    this.#underWay += 1
    this.peak = Math.max(this.peak, this.#underWay)
    // So that calls made together are under way together.
    await new Promise(setImmediate)
    this.#underWay -= 1

    const fault = this.#faults.find(({ pattern, times }) => times > 0 && pattern.test(`${call.method} ${call.path}`))
    if (fault !== undefined) fault.times -= 1
    if (fault?.answer === 'hang') return
    const { statusCode, body } =
      fault === undefined ? this.#answer(call) : { statusCode: fault.answer.statusCode, body: fault.answer }
    response
      .writeHead(statusCode, { 'Content-Type': 'application/json' })
      .end(body === undefined ? undefined : JSON.stringify(body))
  }

  #answer({ method, path, body }: Call): { statusCode: number; body?: unknown } {
    const { pathname, searchParams } = new URL(path, 'http://daemon')
    if (/^\/images\/.*\/json$/.test(pathname))
      return this.image === undefined ? notFound('no such image: x') : { statusCode: 200, body: this.image }
    if (pathname === '/containers/json') return { statusCode: 200, body: this.#list(searchParams) }
    if (pathname === '/containers/create') return this.#create(searchParams.get('name')!, JSON.parse(body))
    const [, , prefix, action] = pathname.split('/')
    const container = [...this.containers.values()].find(({ id, name }) => id.startsWith(prefix!) || name === prefix)
    if (container === undefined) return notFound(`No such container: ${prefix}`)
    if (method === 'DELETE') this.containers.delete(container.id)
    if (action === 'start') container.state = 'running'
    if (action === 'json') return { statusCode: 200, body: inspection(container) }
    return { statusCode: action === 'archive' ? 200 : 204 }
  }

  #list(query: URLSearchParams): object[] {
    const [label] = (JSON.parse(query.get('filters')!) as { label: string[] }).label
    return [...this.containers.values()]
      .filter(({ labels }) => Object.entries(labels).some(([key, value]) => `${key}=${value}` === label))
      .map(({ id, labels, state, createdAt }) => ({
        Id: id,
        Labels: labels,
        State: state,
        Status: `is ${state}`,
        Created: createdAt,
      }))
  }

  #create(name: string, { Labels }: { Labels: Record<string, string> }): { statusCode: number; body: object } {
    if ([...this.containers.values()].some((container) => container.name === name)) {
      return { statusCode: 409, body: { message: `Conflict. The container name "/${name}" is already in use` } }
    }
    const id = this.add(name, Labels, 'created', Math.floor(Date.now() / 1000))
    return { statusCode: 201, body: { Id: [...this.containers.keys()].find((full) => full.startsWith(id)) } }
  }
}

function inspection({ labels, state }: FakeContainer): object {
  return {
    State: { Status: state, Running: state === 'running' },
    Config: { Labels: labels },
    NetworkSettings: { Ports: state === 'running' ? { '22/tcp': [{ HostIp: '127.0.0.1', HostPort: '40022' }] } : {} },
  }
}

const notFound = (message: string): { statusCode: number; body: object } => ({ statusCode: 404, body: { message } })
