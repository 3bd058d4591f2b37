import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { forwardRequest } from './forward-request.ts'

/** One port of `address` for several servers that speak http; `behind` gives the origin of the one for a path. */
export async function startHttpFront(
  address: string,
  behind: (path: string) => string,
): Promise<AsyncDisposable & { readonly origin: string }> {
  const server = createServer((incoming, outgoing) => forwardRequest(incoming, outgoing, behind(incoming.url!)))
  server.listen(0, address)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://${address}:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
