import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openRoute, type Route } from './connections.ts'

const body = Buffer.alloc(1_000_000, 'a')
let server: Server
let route: Route
let answered: Promise<Socket>

/** A server that says all that it has to say at once, and then closes the connection. */
async function serve(head: string): Promise<void> {
  answered = new Promise((resolve) => {
    server = createServer((socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`)
        socket.end(body, () => resolve(socket))
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  route = openRoute(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), { environment: {} }, 10_000)
}

const uncaught: unknown[] = []
const onUncaught = (error: unknown): void => void uncaught.push(error)
beforeEach(() => {
  uncaught.length = 0
  process.on('uncaughtExceptionMonitor', onUncaught)
})
afterEach(async () => {
  process.off('uncaughtExceptionMonitor', onUncaught)
  await route.dispatcher.destroy()
  await new Promise((resolve) => server.close(resolve))
})

test.each([`Content-Length: ${body.length}\r\nConnection: close`, 'Connection: close', 'X-Kept: no'])(
  'an answer whose connection is closed before it was read is there all the same: %j',
  async (head) => {
    await serve(head)
    const answer = await route.dispatcher.request({ method: 'GET', origin: route.origin, path: '/' })
    const socket = await answered
    if (!socket.closed) await once(socket, 'close')
    expect((await answer.body.bytes()).length).toBe(body.length)
    expect(uncaught).toEqual([])
  },
)
