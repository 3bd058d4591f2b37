import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'

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
    const { method, headers, url } = incoming
    const forwarded = request(new URL(url!, behind(url!)), { method: method!, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on('error', () => outgoing.destroy())
    outgoing.on('close', () => forwarded.destroy())
    incoming.pipe(forwarded)
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
