import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ListenAddress } from '../config/kinds.ts'

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

/** Serves pages for GET and HEAD. Rejects when the address cannot be listened on. */
export async function serveStatus(address: ListenAddress, pages: readonly Page[]): Promise<StatusServer> {
  const byPath = new Map(pages.map((page) => [page.path, page]))
  const server = createServer((request, response) => {
    answer(byPath, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else respond(response, 500, 'text/plain', `${String(error)}\n`)
    })
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

async function answer(pages: ReadonlyMap<string, Page>, { method, url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
  const page = pages.get(url.replace(/\?.*/s, ''))
  if (page === undefined) return respond(response, 404, 'text/plain', `no such page; there are ${[...pages.keys()].join(', ')}\n`)
  if (method !== 'GET' && method !== 'HEAD') return respond(response, 405, 'text/plain', 'GET or HEAD\n')
  const { status, contentType, body } = await page.render()
  respond(response, status, contentType, body)
}

function respond(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body) }).end(body)
}
