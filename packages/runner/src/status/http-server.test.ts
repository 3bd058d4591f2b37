import { afterEach, expect, test } from 'vitest'
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
  ['/other', 'GET', 404, 'no such page; there are /fine, /broken\n'],
  ['/broken', 'GET', 500, 'Error: oops\n'],
])('%s %s: %d', async (path, method, status, body) => {
  expect(await get(path, method)).toEqual({ status, body })
})

test('a port in use is an error', async () => {
  await get('/fine')
  await expect(serveStatus({ host: '127.0.0.1', port: server!.port }, [])).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
