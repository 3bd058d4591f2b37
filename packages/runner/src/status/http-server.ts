import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP, type Socket } from 'node:net'
import { hostname } from 'node:os'
import type { ListenAddress } from '../config/tables/kinds.ts'

/** One page: its path and what it says now. */
export interface Page {
  readonly path: string
  render(): Promise<{ readonly status: number; readonly contentType: string; readonly body: string }>
}

export interface StatusServer {
  /** The port it listens on. */
  readonly port: number
  close(): Promise<void>
}

/** Connections at once. The oldest is closed for one more, so that slow ones keep nobody out. */
const maxConnections = 128

export interface StatusServerOptions {
  /** Other names that lead here, in lower case. */
  readonly names?: readonly string[]
  /**
   * How long a request may take to come, and a connection may then be idle, milliseconds.
   * @defaultValue `5000`
   */
  readonly requestMs?: number
}

/**
 * Serves pages for GET and HEAD if the `Host` is an address or a name of this machine, so that a website whose name
 * resolves to it gets nothing (DNS rebinding).
 * Rejects when the address cannot be listened on.
 */
export async function serveStatus(
  address: ListenAddress,
  pages: readonly Page[],
  { names = [], requestMs = 5000 }: StatusServerOptions = {},
): Promise<StatusServer> {
  const byPath = new Map(pages.map((page) => [page.path, page]))
  const known = new Set([
    'localhost',
    hostname().toLowerCase(),
    ...(address.host === undefined ? [] : [address.host.toLowerCase()]),
    ...names,
  ])
  // Node bounds the time for the header by that for the request.
  const options = {
    requestTimeout: requestMs,
    keepAliveTimeout: requestMs,
    connectionsCheckingInterval: Math.min(requestMs, 1000),
  }
  const server = createServer(options, (request, response) => {
    const host = hostOf(request.headers.host)
    if (host !== undefined && isIP(host) === 0 && !known.has(host))
      return respond(
        response,
        421,
        'text/plain',
        `${JSON.stringify(host)} is not a name of this listener; add it to listen_hosts\n`,
      )
    answer(byPath, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else respond(response, 500, 'text/plain', `${String(error)}\n`)
    })
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    if (sockets.size >= maxConnections)
      for (const oldest of [...sockets].slice(0, sockets.size - maxConnections + 1)) oldest.destroy()
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(address.port, address.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The name or address that a request is for, without its port. Undefined: it does not say. */
function hostOf(header: string | undefined): string | undefined {
  const [, address, name] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(header?.toLowerCase() ?? '') ?? []
  return header === undefined ? undefined : (address ?? name ?? header)
}

async function answer(
  pages: ReadonlyMap<string, Page>,
  { method, url = '/' }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const page = pages.get(url.replace(/\?.*/s, ''))
  if (page === undefined)
    return respond(response, 404, 'text/plain', `no such page; available: ${[...pages.keys()].join(', ')}\n`)
  if (method !== 'GET' && method !== 'HEAD') return respond(response, 405, 'text/plain', 'GET or HEAD\n')
  const { status, contentType, body } = await page.render()
  respond(response, status, contentType, body)
}

function respond(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body) }).end(body)
}
