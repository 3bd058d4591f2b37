// A server in front of a registry that does what the network and bad registries do.
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Answers by itself and says so, or lets the registry answer. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean

export interface FaultyFront extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string
  fault: Fault
  /** Changes the bytes of what passes: all of them, in one piece. Undefined: as they come. */
  change: ((url: string, bytes: Buffer) => Buffer) | undefined
  /** Paths and credentials of what was asked. */
  readonly asked: { readonly path: string; readonly authorization: string | undefined }[]
}

export async function startFaultyFront(port: number): Promise<FaultyFront> {
  const asked: FaultyFront['asked'] = []
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    asked.push({ path: url, authorization: headers.authorization })
    if (front.fault(request, response)) return
    const forwarded = httpRequest({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const changed = front.change?.(url, bytes) ?? bytes
        response.writeHead(answer.statusCode!, { ...answer.headers, 'content-length': changed.length })
        response.end(changed)
      })
    })
    request.pipe(forwarded)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const front: FaultyFront = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: () => false,
    change: undefined,
    asked,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
  return front
}
