import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { systemClock } from '@runner-core/fleeting'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { S3CacheSettings } from '../config/settings.ts'
import { S3CacheStore } from './s3-cache-store.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void
interface Asked {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingMessage['headers']
  readonly bytes: number
}

const { signal } = new AbortController()
const cache = { projectId: 7, key: 'deps' }
let server: Server
let asked: Asked[]
/** One for each request that is to come. */
let answers: Answer[]
let waits: number[]

beforeEach(async () => {
  asked = []
  answers = []
  waits = []
  server = createServer((request, response) => {
    void buffer(request).then((body) => {
      const url = new URL(request.url ?? '/', 'http://server')
      asked.push({ method: request.method ?? '', url, headers: request.headers, bytes: body.length })
      const answer = answers.shift()
      if (answer === undefined) response.writeHead(599).end()
      else answer(request, response)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

/** Waits are over at once. */
const clock = {
  ...systemClock,
  after(delayMs: number, callback: () => void) {
    // Limits are longer.
    if (delayMs >= 10_000) return systemClock.after(delayMs, callback)
    waits.push(delayMs)
    return systemClock.after(0, callback)
  },
}

function store(s3: Partial<S3CacheSettings> = {}, limit = 0): S3CacheStore {
  const { port } = server.address() as AddressInfo
  return new S3CacheStore({
    settings: {
      type: 's3',
      shared: false,
      maxUploadedArchiveSize: limit,
      s3: {
        serverAddress: `127.0.0.1:${port}`,
        bucketName: 'caches',
        bucketLocation: 'eu-west-1',
        accessKey: 'AKIAEXAMPLE',
        secretKey: 'secret-example',
        insecure: true,
        ...s3,
      },
    },
    shortToken: 'tok123',
    environment: {},
    clock,
    random: () => 0,
    partBytes: 4,
  })
}

const says =
  (status: number, body = '', headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)
const cutsAfter =
  (sent: string, headers: Record<string, string>): Answer =>
  (_, response) => {
    response.writeHead(headers['content-range'] === undefined ? 200 : 206, headers)
    response.write(sent, () => response.destroy())
  }
const uploadBegins = says(
  200,
  '<InitiateMultipartUploadResult><UploadId>up1</UploadId></InitiateMultipartUploadResult>',
)
const takesPart = says(200, '', { etag: '"e"' })

async function* pieces(...texts: readonly string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text)
}

async function read(from: S3CacheStore): Promise<string> {
  let text = ''
  for await (const chunk of (await from.download(cache, signal))!) text += chunk.toString()
  return text
}

test('each request has a URL of its own, signed for this server and for a while', async () => {
  answers = [says(200)]
  await store({ sessionToken: 'session-example' }).upload(cache, { content: pieces('ab'), digest: 'd1' }, signal)
  const [{ method, url, headers }] = asked as [Asked]
  expect([method, url.pathname, headers['authorization']]).toEqual([
    'PUT',
    '/caches/runner/tok123/project/7/deps',
    undefined,
  ])
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Expires': '3600',
    'X-Amz-Security-Token': 'session-example',
    'X-Amz-Credential': expect.stringMatching(/^AKIAEXAMPLE\/\d{8}\/eu-west-1\/s3\/aws4_request$/),
    'X-Amz-Signature': expect.stringMatching(/^[0-9a-f]{64}$/),
  })
})

test('a server that cannot now is asked again, as it asks for, and no more than twice', async () => {
  answers = [says(503, '<Error><Code>SlowDown</Code></Error>', { 'retry-after': '5' }), says(500), says(200, 'content')]
  expect(await read(store())).toBe('content')
  expect(waits).toEqual([5000, 1000])
  answers = [says(503), says(503), says(503, '<Error><Code>SlowDown</Code><Message>later\nplease</Message></Error>')]
  await expect(read(store())).rejects.toMatchObject({
    code: 'failed',
    message: 'received: 503. Request failed with code: SlowDown, message: later please',
  })
  expect(asked).toHaveLength(6)
})

test('one that does not answer is unreachable; no message holds a key or a signature', async () => {
  const cut: Answer = (_, response) => response.destroy()
  answers = [cut, cut, cut]
  const error = await read(store()).catch((cause: unknown) => cause as Error)
  expect(error).toMatchObject({ code: 'unreachable', message: expect.stringMatching(/^no answer: /) })
  expect(JSON.stringify([(error as Error).message, (error as Error).stack])).not.toMatch(/AKIA|secret-example|X-Amz/)
  expect(asked).toHaveLength(3)
})

test('what is refused is not asked for again', async () => {
  answers = [says(403, '<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>')]
  const upload = store().upload(cache, { content: pieces('ab'), digest: 'd1' }, signal)
  await expect(upload).rejects.toMatchObject({
    code: 'refused',
    message: expect.stringContaining('code: AccessDenied, message: Access Denied.'),
  })
  expect(asked).toHaveLength(1)
})

test('a download that breaks off goes on where it was, with the same object', async () => {
  const etag = '"one"'
  answers = [
    cutsAfter('0123', { etag, 'content-length': '10' }),
    cutsAfter('45', { etag, 'content-length': '6', 'content-range': 'bytes 4-9/10' }),
    says(206, '6789', { etag, 'content-range': 'bytes 6-9/10' }),
  ]
  expect(await read(store())).toBe('0123456789')
  expect(asked.slice(1).map(({ headers }) => [headers['range'], headers['if-match']])).toEqual([
    ['bytes=4-', etag],
    ['bytes=6-', etag],
  ])
  answers = [cutsAfter('0123', { etag, 'content-length': '10' }), says(412)]
  await expect(read(store())).rejects.toMatchObject({ code: 'refused', message: 'received: 412' })
})

test('a large archive goes in parts, which are put together at the end', async () => {
  answers = [uploadBegins, takesPart, says(500), takesPart, takesPart, says(200, '<CompleteMultipartUploadResult/>')]
  await store().upload(cache, { content: pieces('01', '234567', '8'), digest: 'd1' }, signal)
  expect(
    asked.map(({ method, url, bytes }) => [method, url.searchParams.get('partNumber'), bytes > 4 ? 'list' : bytes]),
  ).toEqual([
    ['POST', null, 0],
    ['PUT', '1', 4],
    ['PUT', '2', 4],
    ['PUT', '2', 4],
    ['PUT', '3', 1],
    ['POST', null, 'list'],
  ])
})

test.each([
  ['when the archive breaks off', () => broken(), [uploadBegins, takesPart, says(204)], /machine lost/],
  ['when it is too large', () => pieces('01234567', '89'), [uploadBegins, takesPart, says(204)], /too big/],
  ['when a part is refused', () => pieces('012345678'), [uploadBegins, takesPart, says(403), says(204)], /403/],
  [
    'when it cannot be put together, which is said late',
    () => pieces('01234'),
    [uploadBegins, takesPart, takesPart, says(200, '<?xml?> <Error><Code>InternalError</Code></Error>'), says(204)],
    /InternalError/,
  ],
])('%s, its parts are given up', async (_, content, expected, message) => {
  answers = expected
  await expect(store({}, 9).upload(cache, { content: content(), digest: 'd1' }, signal)).rejects.toThrow(message)
  expect(answers).toEqual([])
  const { method, url } = asked.at(-1)!
  expect([method, url.searchParams.get('uploadId')]).toEqual(['DELETE', 'up1'])
})

test('also when it is stopped under way', async () => {
  const stop = new AbortController()
  answers = [uploadBegins, takesPart, () => stop.abort(new Error('canceled')), says(204)]
  await expect(store().upload(cache, { content: pieces('0123456789'), digest: 'd1' }, stop.signal)).rejects.toThrow(
    'canceled',
  )
  expect(asked.at(-1)).toMatchObject({ method: 'DELETE' })
})

async function* broken(): AsyncGenerator<Buffer> {
  yield Buffer.from('01234567')
  throw new Error('machine lost')
}
