import { once } from 'node:events'
import { connect } from 'node:net'
import { hostname } from 'node:os'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { type StatusServer, serveStatus } from './http-server.ts'

let server: StatusServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

async function get(path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  server ??= await serveStatus({ host: '127.0.0.1', port: 0 }, [
    { path: '/fine', render: async () => ({ status: 200, contentType: 'text/plain', body: 'fine\n' }) },
    { path: '/broken', render: () => Promise.reject(new Error('oops')) },
  ])
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method })
  return { status: response.status, body: await response.text() }
}

test.each([
  ['/fine', 'GET', 200, 'fine\n'],
  ['/fine?query=1', 'GET', 200, 'fine\n'],
  ['/fine', 'HEAD', 200, ''],
  ['/fine', 'POST', 405, 'GET or HEAD\n'],
  ['/other', 'GET', 404, 'no such page; available: /fine, /broken\n'],
  ['/broken', 'GET', 500, 'Error: oops\n'],
])('%s %s: %d', async (path, method, status, body) => {
  expect(await get(path, method)).toEqual({ status, body })
})

test('a port in use is an error', async () => {
  await get('/fine')
  await expect(serveStatus({ host: '127.0.0.1', port: server!.port }, [])).rejects.toMatchObject({ code: 'EADDRINUSE' })
})

/** What comes for a request with such a `Host`; undefined: it has none. */
async function askAs(host: string | undefined): Promise<number> {
  await get('/fine')
  const socket = connect(server!.port, '127.0.0.1')
  const version = host === undefined ? 'HTTP/1.0' : 'HTTP/1.1'
  socket.write(`GET /fine ${version}\r\n${host === undefined ? '' : `Host: ${host}\r\n`}Connection: close\r\n\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer.toString())?.[1])
}

test.each([
  ['127.0.0.1:9252', 200],
  ['[::1]:9252', 200],
  ['localhost', 200],
  [`${hostname()}:9252`, 200],
  [`${hostname()}.evil.example.com`, 421],
  [undefined, 200],
  ['evil.example.com', 421],
  ['evil.example.com:9252', 421],
  ['127.0.0.1.evil.example.com', 421],
  ['', 421],
])('a request for the host %s: %d', async (host, status) => {
  expect(await askAs(host)).toBe(status)
})

test('a name that is configured is answered', async () => {
  server = await serveStatus({ host: '127.0.0.1', port: 0 }, [], { names: ['runner.internal'] })
  expect(await askAs('runner.internal')).toBe(404)
})

test('health is answered beside 400 connections that say nothing, of which few stay open', async () => {
  await get('/fine')
  const sockets = Array.from({ length: 400 }, () => connect(server!.port, '127.0.0.1').on('error', () => {}))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  expect(await get('/fine')).toEqual({ status: 200, body: 'fine\n' })
  await expect
    .poll(() => sockets.filter((socket) => socket.readyState === 'open').length, { timeout: 20_000 })
    .toBeLessThanOrEqual(128)
  for (const socket of sockets) socket.destroy()
})

test.each([
  ['nothing', '', ''],
  ['half a header', 'GET /fine HTTP/1.1\r\nHost: local', ''],
  ['a header that does not end', 'GET /fine HTTP/1.1\r\nHost: localhost\r\nX: ', 'x'],
  ['a body that does not end', 'POST /fine HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n', 'x'],
])('a client that sends %s is cut off', async (_, begin, more) => {
  server = await serveStatus({ host: '127.0.0.1', port: 0 }, [], { requestMs: 50 })
  const socket = connect(server.port, '127.0.0.1')
    .resume()
    .on('error', () => {})
  socket.write(begin)
  const drip = setInterval(() => socket.write(more), 10)
  onTestFinished(() => clearInterval(drip))
  // `once` would fail where the connection is reset rather than ended.
  await new Promise<void>((resolve) => socket.on('close', () => resolve()))
})
