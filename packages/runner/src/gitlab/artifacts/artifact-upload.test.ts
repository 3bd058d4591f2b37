import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ManualClock } from '@runner-core/fleeting/testing'
import { type ArtifactUpload, ArtifactUploadError, EnvironmentError } from '@runner-core/job'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReceivedUpload, receiveUpload } from '../../testing/receive-upload.ts'
import { openRoute } from '../http/connections.ts'
import { RedirectGuard } from '../http/redirect-guard.ts'
import { uploadArtifact, uploadQuery } from './artifact-upload.ts'

type Answer = (response: ServerResponse, message: IncomingMessage) => void | Promise<void>

interface Peer {
  readonly url: URL
  readonly seen: {
    readonly target: string
    readonly token: string | undefined
    readonly upload: ReceivedUpload | string
  }[]
  readonly answers: Answer[]
  readonly server: Server
}

let peers: Peer[]
let clock: ManualClock
let waits: number[]
let made: number
const never = new AbortController().signal

/** A server that reads each upload to its end, then answers as told; without a word left, 201. */
async function startPeer(): Promise<Peer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const peer: Peer = {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    seen: [],
    answers: [],
    server,
  }
  const serve = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const answer = peer.answers.shift()
    if (answer !== undefined && answer.length === 2) return answer(response, message)
    const upload = await receiveUpload(message, { keptBytes: 1e6, limitBytes: 1e9 })
    peer.seen.push({
      target: `${message.method} ${message.url}`,
      token: message.headers['job-token'] as string | undefined,
      upload,
    })
    if (answer === undefined) response.writeHead(201).end('201')
    else await answer(response, message)
  }
  server.on('request', (message, response) => void serve(message, response))
  peers.push(peer)
  return peer
}

beforeEach(() => {
  peers = []
  waits = []
  made = 0
  clock = new ManualClock()
  const after = clock.after.bind(clock)
  clock.after = (delayMs, callback) => {
    waits.push(delayMs)
    return after(0, callback)
  }
})
afterEach(async () => {
  for (const { server } of peers) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

const says =
  (status: number, headers: Record<string, string> = {}, body = ''): Answer =>
  (response) =>
    void response.writeHead(status, headers).end(body)

async function send(
  peer: Peer,
  given: Partial<ArtifactUpload> = {},
): Promise<{ status?: string; error?: unknown; reports: string[] }> {
  const reports: string[] = []
  const upload: ArtifactUpload = {
    filename: 'a "b".zip',
    type: 'archive',
    format: 'zip',
    expireIn: '1 week',
    async *content() {
      made += 1
      yield Buffer.from('content ')
      yield Buffer.from(`${'x'.repeat(100_000)}`)
    },
    report: async (text) => void reports.push(text),
    signal: never,
    ...given,
  }
  const connections = { environment: {} }
  const route = openRoute(peer.url, connections, 5000)
  const advancing = setInterval(() => void clock.advance(0), 1)
  try {
    const options = {
      route,
      coordinator: peer.url,
      path: `/api/v4/jobs/7/artifacts${uploadQuery(upload)}`,
      userAgent: 'test',
      token: 'job-token',
      redirects: new RedirectGuard({ coordinator: peer.url, artifactHosts: [] }),
    }
    return { status: await uploadArtifact(upload, { ...options, connections, clock, random: () => 1 }), reports }
  } catch (error) {
    return { error, reports }
  } finally {
    clearInterval(advancing)
    await route.dispatcher.destroy()
  }
}

test('one form with one file, told what it is', async () => {
  const peer = await startPeer()
  expect(await send(peer)).toEqual({ status: '201 Created', reports: [] })
  expect(peer.seen).toEqual([
    {
      target: 'POST /api/v4/jobs/7/artifacts?artifact_format=zip&artifact_type=archive&expire_in=1+week',
      token: 'job-token',
      upload: expect.objectContaining({
        filename: 'a "b".zip',
        type: 'archive',
        format: 'zip',
        expireIn: '1 week',
        size: 100_008,
      }),
    },
  ])
})

test('a redirect is followed with the same form, made anew; the token stays with the coordinator', async () => {
  const [peer, other] = [await startPeer(), await startPeer()]
  peer.answers.push(
    says(307, { location: '/api/v4/elsewhere' }),
    says(307, { location: `${other.url.href}api/v4/jobs/7/artifacts?x=1` }),
  )
  expect(await send(peer)).toMatchObject({ status: '201 Created' })
  expect(peer.seen.map(({ target, token }) => [target.split('?')[0], token])).toEqual([
    ['POST /api/v4/jobs/7/artifacts', 'job-token'],
    ['POST /api/v4/elsewhere', 'job-token'],
  ])
  expect(other.seen).toEqual([
    {
      target: 'POST /api/v4/jobs/7/artifacts?x=1',
      token: undefined,
      upload: expect.objectContaining({ size: 100_008 }),
    },
  ])
  expect(made).toBe(3)
})

test('a redirect to where a cloud answers its instances is not followed', async () => {
  const peer = await startPeer()
  peer.answers.push(says(307, { location: 'http://169.254.169.254/latest' }))
  const { error, reports } = await send(peer)
  expect(error).toMatchObject({ code: 'failed', message: expect.stringContaining('169.254.169.254 is not followed') })
  expect(reports).toEqual([])
  expect(made).toBe(1)
})

test('a server that redirects for ever, or to nowhere, is left', async () => {
  const peer = await startPeer()
  for (let times = 0; times < 7; times++) peer.answers.push(says(307, { location: '/again' }))
  expect((await send(peer)).error).toMatchObject({ code: 'failed' })
  expect(peer.seen).toHaveLength(6)
  peer.answers.length = 0
  peer.answers.push(says(307, { location: 'ftp://host/' }))
  expect((await send(peer)).error).toBeInstanceOf(ArtifactUploadError)
})

test.each([
  [403, 'forbidden', 1],
  [401, 'forbidden', 1],
  [413, 'too_large', 1],
  [400, 'failed', 1],
  [500, 'failed', 3],
  [503, 'failed', 6],
] as const)('%i is %s after %i tries', async (status, code, tries) => {
  const peer = await startPeer()
  for (let times = 0; times < 9; times++) peer.answers.push(says(status, {}, '{"message":"why"}'))
  const { error, reports } = await send(peer)
  expect(error).toMatchObject({ name: 'ArtifactUploadError', code, message: expect.stringContaining('why') })
  expect(peer.seen).toHaveLength(tries)
  expect(reports).toHaveLength(tries - 1)
  expect(waits.filter((ms) => ms >= 1000)).toEqual([1000, 2000, 4000, 5000, 5000].slice(0, tries - 1))
})

test('the server says how long to wait', async () => {
  const peer = await startPeer()
  peer.answers.push(says(503, { 'retry-after': '42' }))
  expect(await send(peer)).toMatchObject({
    status: '201 Created',
    reports: [expect.stringContaining('service unavailable')],
  })
  expect(waits).toContain(42_000)
})

test('a connection that breaks in the middle costs one try, and the content is no longer made', async () => {
  const peer = await startPeer()
  let aborted = 0
  peer.answers.push((_, message) => void message.once('data', () => message.destroy()))
  const { status } = await send(peer, {
    async *content(signal) {
      made += 1
      signal.addEventListener('abort', () => aborted++)
      for (let piece = 0; piece < 50; piece++) yield Buffer.alloc(100_000)
    },
  })
  expect(status).toBe('201 Created')
  expect([made, aborted]).toEqual([2, 2])
})

test('an answer before all was sent counts', async () => {
  const peer = await startPeer()
  peer.answers.push((response, message) => {
    message.once('data', () => response.writeHead(413, { connection: 'close' }).end('{"message":"limit"}'))
    message.on('error', () => {})
  })
  async function* content(signal: AbortSignal): AsyncGenerator<Buffer> {
    while (!signal.aborted) {
      yield Buffer.alloc(64_000)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  expect((await send(peer, { content })).error).toMatchObject({ code: 'too_large' })
})

test('what the content throws comes out as it is; a stop ends it at once', async () => {
  const peer = await startPeer()
  const cut = new EnvironmentError('cut', 'the connection broke')
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(10)
    throw cut
  }
  expect((await send(peer, { content: broken })).error).toBe(cut)
  const stop = new AbortController()
  async function* endless(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(10)
    setTimeout(() => stop.abort(new Error('canceled')), 5)
    await new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
  }
  expect((await send(peer, { content: endless, signal: stop.signal })).error).toMatchObject({ message: 'canceled' })
  expect(peer.seen.every(({ upload }) => upload === 'broken')).toBe(true)
})
