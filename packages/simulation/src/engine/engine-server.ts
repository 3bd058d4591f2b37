import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { EngineRefusal } from './engine-refusal.ts'
import type { OutputReader } from './sim-container.ts'
import { type ContainerBody, pullMs, type SimEngine } from './sim-engine.ts'

/** A request, read. */
interface Call {
  readonly parts: readonly string[]
  readonly query: URLSearchParams
  readonly body: Record<string, unknown>
  readonly response: ServerResponse
}

type Labelled = { readonly labels: Readonly<Record<string, string>> }
type Answer = { readonly status: number; readonly json?: unknown }

/** By method and path: `*` is one part of it. */
const routes: Readonly<Record<string, (engine: SimEngine, call: Call) => Answer | 'later'>> = {
  'GET version': () => ok({ ApiVersion: '1.44', MinAPIVersion: '1.24', Os: 'linux', Arch: 'amd64' }),
  'GET _ping': () => ok('OK'),
  'GET images * json': (engine, { parts: [, name = ''] }) =>
    ok({ Id: engine.image(name), Os: 'linux', Architecture: 'amd64', Config: { User: '' }, RepoDigests: [] }),
  'POST images create': pull,
  'POST volumes create': (engine, { body }) => {
    engine.createVolume(String(body['Name']), labelsOf(body))
    return { status: 201, json: { Name: body['Name'] } }
  },
  'GET volumes': (engine, { query }) =>
    ok({ Volumes: chosen(engine.volumes, query).map(({ name, labels }) => ({ Name: name, Labels: labels })) }),
  'DELETE volumes *': (engine, { parts: [, name = ''] }) => {
    engine.removeVolume(name)
    return { status: 204 }
  },
  'POST networks create': (engine, { body }) => ({
    status: 201,
    json: { Id: engine.createNetwork(String(body['Name']), labelsOf(body)) },
  }),
  'GET networks': (engine, { query }) =>
    ok(chosen(engine.networks, query).map(({ id, name, labels }) => ({ Id: id, Name: name, Labels: labels }))),
  'DELETE networks *': (engine, { parts: [, id = ''] }) => {
    engine.removeNetwork(id)
    return { status: 204 }
  },
  'POST containers create': (engine, { query, body }) => ({
    status: 201,
    json: { Id: engine.createContainer(query.get('name') ?? '', body as unknown as ContainerBody).id },
  }),
  'GET containers json': (engine, { query }) =>
    ok(
      chosen(new Map([...engine.containers].map(([id, { spec }]) => [id, { ...spec, id }])), query).map(
        ({ id, name, labels }) => ({ Id: id, Names: [`/${name}`], Labels: labels }),
      ),
    ),
  'GET containers * json': (engine, { parts: [, name = ''] }) => {
    const { id, state, startedAt, exitCode, spec } = engine.container(name)
    const { labels, pidMode } = spec
    return ok({
      Id: id,
      State: {
        Status: state,
        Running: state === 'running',
        StartedAt: startedAt,
        ExitCode: exitCode,
        OOMKilled: false,
      },
      HostConfig: { PidMode: pidMode },
      Config: { Labels: labels },
      NetworkSettings: { Networks: {} },
    })
  },
  'POST containers * start': (engine, { parts: [, name = ''] }) => {
    engine.startContainer(engine.container(name))
    return { status: 204 }
  },
  'POST containers * kill': (engine, { parts: [, name = ''], query }) => {
    const container = engine.container(name)
    if (container.state !== 'running') throw new EngineRefusal(409, `Container ${name} is not running`)
    if ((query.get('signal') ?? 'KILL') !== 'KILL') throw new Error('the world’s Engine knows no signal but KILL')
    container.kill()
    return { status: 204 }
  },
  'POST containers * wait': (engine, { parts: [, name = ''], response }) => {
    const container = engine.container(name)
    container.whenEnded(() => answer(response, ok({ StatusCode: container.exitCode })))
    return 'later'
  },
  'GET events': (engine, { query, response }) => {
    const { container: ids = [] } = JSON.parse(query.get('filters') ?? '{}') as { container?: readonly string[] }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    for (const id of ids)
      engine.containers.get(id)?.whenEnded(() => {
        if (!response.destroyed)
          response.write(`${JSON.stringify({ Type: 'container', Action: 'die', Actor: { ID: id } })}\n`)
      })
    return 'later'
  },
  'DELETE containers *': (engine, { parts: [, name = ''], query, response }) => {
    engine.removeContainer(engine.container(name), isOn(query.get('force')), () => answer(response, { status: 204 }))
    return 'later'
  },
  'GET containers * logs': readLog,
  'HEAD containers * archive': lookAtFile,
  'PUT containers * archive': (engine, { parts: [, name = ''] }) => {
    // Of directories alone, whose modes it changes.
    for (const bind of engine.container(name).spec.binds) {
      const volume = engine.volumes.get(bind.split(':')[0]!)
      if (volume !== undefined) volume.isOpen = true
    }
    return { status: 200 }
  },
  'POST containers * exec': (engine, { parts: [, name = ''], body }) => {
    const container = engine.container(name)
    if (container.state !== 'running') throw new EngineRefusal(409, `container ${name} is not running`)
    return { status: 201, json: { Id: `${container.id}.${encodeURIComponent((body['Cmd'] as string[]).join(' '))}` } }
  },
  'GET exec * json': () => ok({ ExitCode: 0, Running: false }),
}

/** Speaks the Engine's API over streams. */
export class EngineServer {
  readonly engine: SimEngine
  readonly #server = createServer()
  readonly #streams = new Set<Duplex>()

  constructor(engine: SimEngine) {
    this.engine = engine
    engine.onDown = () => {
      for (const stream of this.#streams) stream.destroy()
    }
    this.#server.on('request', (request, response) => this.#take(request, response))
    this.#server.on('upgrade', (request, stream, head) => this.#hijack(request, stream, head))
    this.#server.on('clientError', (_error, stream) => stream.destroy())
  }

  /** Serves the machine's end of a stream. */
  serve(stream: Duplex): void {
    this.#streams.add(stream)
    stream.on('close', () => this.#streams.delete(stream))
    this.#server.emit('connection', stream)
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    response.sendDate = false
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const body = Buffer.concat(pieces)
      this.#soon(() => this.#answer(request, body, response))
    })
  }

  #soon(act: () => void): void {
    const { clock, delayMs } = this.engine.options
    const waitMs = Math.max(delayMs, this.engine.silentUntil - clock.now())
    if (waitMs <= 0) act()
    else this.engine.after(waitMs, act)
  }

  #answer(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    if (!this.engine.options.isUp()) return
    const { parts, query } = read(request)
    const name = `${request.method} ${parts.map((part, index) => (isName(parts, index) ? '*' : part)).join(' ')}`
    try {
      if (this.engine.failsNow()) throw new EngineRefusal(500, 'the Engine has failed')
      const route = routes[name]
      if (route === undefined) throw new Error(`the world's Engine does not know this request: ${name}`)
      const json = request.headers['content-type'] === 'application/json' ? JSON.parse(body.toString()) : {}
      const given = route(this.engine, { parts, query, body: json, response })
      if (given !== 'later') answer(response, given)
    } catch (error) {
      if (!(error instanceof EngineRefusal)) this.engine.options.onUnknown(error as Error)
      const status = error instanceof EngineRefusal ? error.status : 501
      answer(response, { status, json: { message: (error as Error).message } })
    }
  }

  /** The connection itself is what was asked for. */
  #hijack(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { parts } = read(request)
    stream.on('error', () => {})
    const [kind, name = '', act] = parts
    if (head.length > 0) stream.unshift(head)
    const given = (): void => {
      if (!this.engine.options.isUp()) return
      try {
        if (kind === 'containers' && act === 'attach') this.#attach(name, stream)
        else if (kind === 'exec' && act === 'start') this.#exec(name, stream)
        else throw new Error(`the world's Engine hands no connection over for this: ${parts.join(' ')}`)
      } catch (error) {
        if (!(error instanceof EngineRefusal)) this.engine.options.onUnknown(error as Error)
        const message = JSON.stringify({ message: (error as Error).message })
        const status = error instanceof EngineRefusal ? error.status : 501
        stream.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: ${message.length}\r\n\r\n${message}`)
      }
    }
    this.#soon(given)
  }

  #attach(name: string, stream: Duplex): void {
    const container = this.engine.container(name)
    accept(stream)
    const reader = readerOf(stream)
    const input = container.attach(reader)
    const end = (): void => input.end()
    stream.on('data', (bytes: Buffer) => input.take(bytes))
    stream.on('end', end)
    stream.on('close', () => {
      container.detach(reader)
      end()
    })
  }

  #exec(id: string, stream: Duplex): void {
    const [containerId = '', text = ''] = id.split('.')
    const container = this.engine.container(containerId)
    const command = decodeURIComponent(text)
    if (container.state !== 'running') throw new EngineRefusal(409, `container ${containerId} is not running`)
    accept(stream)
    // What started it, and its input, which is empty.
    stream.resume()
    const reader = readerOf(stream)
    if (command.endsWith(' kill -s TERM -1')) container.askToEnd()
    else if (command.includes('read -r u r </proc/uptime'))
      reader.take(Buffer.from(`${this.engine.options.uptime()}\n`))
    else throw new Error(`the world's containers do not know this command: ${command.slice(0, 300)}`)
    reader.end()
  }
}

function read(request: IncomingMessage): { readonly parts: readonly string[]; readonly query: URLSearchParams } {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://engine')
  const parts = pathname
    .replace(/^\/v\d+\.\d+/, '')
    .split('/')
    .slice(1)
  return parts[0] === 'images' && parts.at(-1) === 'json'
    ? { parts: ['images', decodeURIComponent(parts.slice(1, -1).join('/')), 'json'], query: searchParams }
    : { parts: parts.map(decodeURIComponent), query: searchParams }
}

/** Whether a part of a path names one of many. */
function isName(parts: readonly string[], index: number): boolean {
  return index === 1 && !(parts.length === 2 && ['create', 'json'].includes(parts[1]!))
}

function ok(json: unknown): Answer {
  return { status: 200, json }
}

function answer(response: ServerResponse, given: Answer): void {
  if (response.destroyed) return
  const text = given.json === undefined ? '' : JSON.stringify(given.json)
  const hasBody = given.status !== 204 && given.status !== 304
  response.writeHead(given.status, hasBody ? { 'content-type': 'application/json', 'content-length': text.length } : {})
  response.end(hasBody ? text : undefined)
}

function isOn(text: string | null): boolean {
  return text === '1' || text === 'true'
}

function labelsOf(body: Record<string, unknown>): Readonly<Record<string, string>> {
  return (body['Labels'] ?? {}) as Readonly<Record<string, string>>
}

/** Those that have the labels that are asked for. */
function chosen<Thing extends Labelled>(things: ReadonlyMap<string, Thing>, query: URLSearchParams): Thing[] {
  const { label = [] } = JSON.parse(query.get('filters') ?? '{}') as { label?: readonly string[] }
  return [...things.values()].filter(({ labels }) =>
    label.every((each) => {
      const [key = '', value] = each.split('=')
      return value === undefined ? labels[key] !== undefined : labels[key] === value
    }),
  )
}

function pull(engine: SimEngine, { query, response }: Call): 'later' {
  const name = query.get('fromImage') ?? ''
  response.writeHead(200, { 'content-type': 'application/json' })
  const say = (message: object): void => void (response.destroyed || response.write(`${JSON.stringify(message)}\r\n`))
  say({ status: 'Pulling fs layer', id: 'a1b2c3d4e5f6', progressDetail: {} })
  engine.after(pullMs, () => {
    try {
      engine.hasPulled(name)
      say({ status: 'Pull complete', id: 'a1b2c3d4e5f6', progressDetail: {} })
    } catch (error) {
      say({ errorDetail: { message: (error as Error).message }, error: (error as Error).message })
    }
    if (!response.destroyed) response.end()
  })
  return 'later'
}

function readLog(engine: SimEngine, { parts: [, name = ''], query, response }: Call): 'later' {
  const container = engine.container(name)
  response.writeHead(200, { 'content-type': 'application/vnd.docker.multiplexed-stream' })
  const reader = readerOf(response)
  const since = query.get('since')
  container.readLog(since === null ? 0 : engine.time.read(since), isOn(query.get('follow')), reader)
  response.on('close', () => container.detach(reader))
  return 'later'
}

function lookAtFile(engine: SimEngine, { parts: [, name = ''], query, response }: Call): Answer {
  const { spec } = engine.container(name)
  const path = query.get('path') ?? ''
  const shells = engine.options.shell === 'bash' ? ['/bin/bash', '/bin/sh'] : ['/bin/sh']
  const bind = spec.binds.find((each) => each.endsWith(`:${path}`))
  const isDirectory = bind !== undefined
  if (!isDirectory && !shells.includes(path))
    throw new EngineRefusal(404, `Could not find the file ${path} in container ${name}`)
  const isOpen = bind !== undefined && engine.volumes.get(bind.split(':')[0]!)?.isOpen === true
  const stat = { name: path, size: 1, mode: isOpen ? 0o777 : 0o755, mtime: '2026-01-01T00:00:00Z', linkTarget: '' }
  response.setHeader('x-docker-container-path-stat', Buffer.from(JSON.stringify(stat)).toString('base64'))
  return { status: 200 }
}

function accept(stream: Duplex): void {
  stream.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')
}

/** Sends what is printed as frames of the standard output. */
function readerOf(stream: Duplex | ServerResponse): OutputReader {
  return {
    take(bytes) {
      if (stream.destroyed || stream.writableEnded) return
      const header = Buffer.alloc(8)
      header[0] = 1
      header.writeUInt32BE(bytes.length, 4)
      stream.write(Buffer.concat([header, bytes]))
    },
    end() {
      if (!stream.destroyed && !stream.writableEnded) stream.end()
    },
  }
}
