import { createServer, request as httpRequest } from 'node:http'
import { type AddressInfo, connect } from 'node:net'

/**
 * A proxy that sends everything to one port on loopback, whatever host it is asked for: tunnels (`CONNECT`) and whole
 * URLs.
 */
export async function startForwardProxy(port: number): Promise<{
  readonly url: string
  /** First lines and credentials of what it was asked. */
  readonly asked: { readonly line: string; readonly authorization: string | undefined }[]
  [Symbol.asyncDispose](): Promise<void>
}> {
  const asked: { line: string; authorization: string | undefined }[] = []
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    asked.push({ line: `${method} ${url}`, authorization: headers['proxy-authorization'] })
    const { pathname, search } = new URL(url)
    const forwarded = httpRequest({ host: '127.0.0.1', port, method, path: pathname + search, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    forwarded.on('error', () => response.destroy())
    response.on('close', () => forwarded.destroy())
    request.pipe(forwarded)
  })
  server.on('connect', ({ url, headers }, client) => {
    asked.push({ line: `CONNECT ${url}`, authorization: headers['proxy-authorization'] })
    const target = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(target).pipe(client)
    })
    client.on('error', () => target.destroy())
    target.on('error', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
