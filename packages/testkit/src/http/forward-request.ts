import { type IncomingMessage, request, type ServerResponse } from 'node:http'

/** Has a request answered by the server at `origin`, which speaks http. */
export function forwardRequest(incoming: IncomingMessage, outgoing: ServerResponse, origin: string): void {
  const { method, headers, url } = incoming
  const forwarded = request(new URL(url!, origin), { method: method!, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode!, answer.headers)
    answer.pipe(outgoing)
  })
  forwarded.on('error', () => outgoing.destroy())
  outgoing.on('close', () => forwarded.destroy())
  incoming.pipe(forwarded)
}
