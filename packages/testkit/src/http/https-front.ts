import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { forwardRequest } from './forward-request.ts'

export function tlsFile(name: string): string {
  return new URL(`tls/${name}`, import.meta.url).pathname
}

/**
 * GitLab's face: one https address on loopback, of an authority that nobody knows, behind which servers are that speak
 * http; `behind` gives the one for a path.
 */
export async function startHttpsFront(
  behind: (path: string) => string,
): Promise<AsyncDisposable & { readonly origin: string; readonly port: number }> {
  const tls = { cert: readFileSync(tlsFile('server.pem')), key: readFileSync(tlsFile('server.key')) }
  const server = createServer(tls, (incoming, outgoing) => {
    forwardRequest(incoming, outgoing, behind(incoming.url!))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `https://127.0.0.1:${port}`,
    port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
