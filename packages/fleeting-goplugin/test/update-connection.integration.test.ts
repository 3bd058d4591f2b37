// The host's own reader of Update against an end of HTTP/2 that does what a plugin's library would not.
import { once } from 'node:events'
import * as http2 from 'node:http2'
import { type AddressInfo, createServer } from 'node:net'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { newSessionCertificate, type SessionCertificate } from '../src/host/session-certificate.ts'
import { UpdateConnection } from '../src/host/update-connection.ts'
import { lengthPrefixed } from '../src/wire/length-prefixed.ts'
import type { UpdateResponse } from '../src/wire/messages.ts'
import { instanceGroupMethods } from '../src/wire/methods.ts'

const never = new AbortController().signal
const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, 20_000)

const encoded = (rows: readonly UpdateResponse[]): Buffer =>
  Buffer.concat(rows.map((row) => lengthPrefixed(instanceGroupMethods.Update.responseSerialize(row))))
const rows: readonly UpdateResponse[] = ['a', 'b', 'c'].map((instance) => ({ instance, state: 1 }))
const well = { 'grpc-status': '0' }

const der = ({ certificate }: SessionCertificate): Buffer =>
  Buffer.from(certificate.replaceAll(/-----.*-----|\s/g, ''), 'base64')

interface Subject {
  readonly connection: UpdateConnection
  readonly list: (signal?: AbortSignal) => Promise<readonly UpdateResponse[]>
  readonly sessions: readonly http2.ServerHttp2Session[]
}

/** Whoever answers has what was asked as it came. */
async function subject(
  answer: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
): Promise<Subject> {
  const server = http2.createServer()
  const sessions: http2.ServerHttp2Session[] = []
  server.on('session', (session) => {
    sessions.push(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    stream.resume()
    answer(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const connection = new UpdateConnection({ network: 'tcp', address: `127.0.0.1:${port}` }, undefined)
  onTestFinished(() => {
    connection.close()
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { connection, list: (signal = never) => connection.update(signal), sessions }
}

/** An answer in these pieces, each a frame. */
function send(
  stream: http2.ServerHttp2Stream,
  pieces: readonly Buffer[],
  trailers: http2.OutgoingHttpHeaders = well,
): void {
  stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  for (const piece of pieces) stream.write(piece)
  stream.end()
}

test('what is asked is what gRPC asks', async () => {
  let asked: http2.IncomingHttpHeaders = {}
  let body: Promise<Buffer[]> | undefined
  const { list } = await subject((stream, headers) => {
    asked = headers
    body = stream.toArray()
    send(stream, [encoded(rows)])
  })
  expect(await list()).toEqual(rows)
  expect(asked).toMatchObject({
    ':method': 'POST',
    ':scheme': 'http',
    ':authority': 'localhost',
    ':path': '/proto.InstanceGroup/Update',
    te: 'trailers',
    'content-type': 'application/grpc',
  })
  expect(Buffer.concat((await body) ?? [])).toEqual(Buffer.alloc(5))
})

test('a list is the same however it is cut into frames', async () => {
  let pieces: readonly Buffer[] = []
  const { list, sessions } = await subject((stream) => send(stream, pieces))
  const row = fc.record({ instance: fc.string({ maxLength: 30 }), state: fc.integer({ min: 0, max: 9 }) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 30 }),
      fc.array(fc.integer({ min: 1, max: 60 })),
      async (sent, lengths) => {
        let rest = encoded(sent)
        pieces = [
          ...lengths.map((length) => {
            const piece = rest.subarray(0, length)
            rest = rest.subarray(length)
            return piece
          }),
          rest,
        ].filter(({ length }) => length > 0)
        expect(await list()).toEqual(sent)
      },
    ),
    { numRuns: 60 },
  )
  expect(sessions).toHaveLength(1)
})

test('what is larger than every window passes', async () => {
  const many = Array.from({ length: 400_000 }, (_, number) => ({ instance: `instance-number-${number}`, state: 1 }))
  const { list } = await subject((stream) => send(stream, [encoded(many)]))
  expect((await list()).length).toBe(many.length)
})

test.each<[string, (stream: http2.ServerHttp2Stream) => void, string, string | RegExp]>([
  [
    'a refusal at once',
    (stream) => stream.respond({ 'grpc-status': '2', 'grpc-message': 'quota of 5%25 exceeded' }, { endStream: true }),
    'quota',
    'quota of 5% exceeded',
  ],
  [
    'a refusal after rows',
    (stream) => send(stream, [encoded(rows)], { 'grpc-status': '7', 'grpc-message': 'who are you?' }),
    'auth',
    'who are you?',
  ],
  ['a refusal without a word', (stream) => send(stream, [], { 'grpc-status': '13' }), 'transient', 'gRPC status 13'],
  [
    'a status that nobody has heard of',
    (stream) => send(stream, [], { 'grpc-status': '99' }),
    'transient',
    'gRPC status 99',
  ],
  [
    'no status',
    (stream) => send(stream, [encoded(rows)], {}),
    'transient',
    'Update was interrupted: no status was received',
  ],
  [
    'another server',
    (stream) => {
      stream.respond({ ':status': 502, 'content-type': 'text/html' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ server: 'another' }))
      stream.end('<html>')
    },
    'transient',
    'Update was interrupted: HTTP status 502',
  ],
  [
    'half a message',
    (stream) => send(stream, [encoded(rows).subarray(0, -1)]),
    'transient',
    'Update cannot be read: the stream ended within a message',
  ],
  [
    'a compressed message',
    (stream) => send(stream, [Buffer.from('010000000100', 'hex')]),
    'transient',
    'Update cannot be read: a message is compressed, which was not offered',
  ],
  [
    'bytes that are no row',
    (stream) => send(stream, [lengthPrefixed(Buffer.from('0aff', 'hex'))]),
    'transient',
    /^Update cannot be read: /,
  ],
  ...[0, 1, 2, 7, 8, 11].map((code): [string, (stream: http2.ServerHttp2Stream) => void, string, RegExp] => [
    `a stream that says that all is well, and is reset with ${code}`,
    (stream) => {
      stream.respond({ 'content-type': 'application/grpc', ...well })
      stream.write(encoded(rows), () => stream.close(code))
    },
    'transient',
    /^Update was interrupted: /,
  ]),
  [
    'a connection that is lost in the middle',
    (stream) => {
      stream.respond({ 'content-type': 'application/grpc' })
      stream.write(encoded(rows), () => stream.session?.destroy())
    },
    'transient',
    /^Update was interrupted: /,
  ],
])('%s is an error, and the next list is whole', async (_what, answer, code, message) => {
  let answers = 0
  const { list } = await subject((stream) => {
    answers += 1
    if (answers === 1) answer(stream)
    else send(stream, [encoded(rows)])
  })
  await expect(list()).rejects.toMatchObject({
    code,
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  })
  expect(await list()).toEqual(rows)
})

test('one connection for all lists, and another when the plugin has ended it', async () => {
  const { list, sessions } = await subject((stream) => send(stream, [encoded(rows)]))
  for (let time = 0; time < 3; time += 1) await list()
  expect(sessions).toHaveLength(1)
  // As a server does that wants an old connection to end: no further request on it.
  sessions[0]!.goaway()
  await eventually(async () => {
    expect(await list()).toEqual(rows)
    expect(sessions).toHaveLength(2)
  })
  await list()
  expect(sessions).toHaveLength(2)
})

test('a list under way when the plugin wants the connection to end is whole', async () => {
  const { list, sessions } = await subject((stream) => {
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers(well))
    stream.session!.goaway(http2.constants.NGHTTP2_NO_ERROR, stream.id)
    stream.write(encoded(rows.slice(0, 1)), () => stream.end(encoded(rows.slice(1))))
  })
  for (let time = 1; time < 3; time += 1) {
    expect(await list()).toEqual(rows)
    expect(sessions).toHaveLength(time)
  }
})

test('an abort cancels the list at the other end, and not the connection', async () => {
  const streams: http2.ServerHttp2Stream[] = []
  const { list, sessions } = await subject((stream) => {
    streams.push(stream)
    if (streams.length > 1) return send(stream, [encoded(rows)])
    stream.respond({ 'content-type': 'application/grpc' })
    stream.write(encoded(rows))
  })
  const controller = new AbortController()
  const answer = list(controller.signal)
  await eventually(() => expect(streams).toHaveLength(1))
  controller.abort(new Error('enough'))
  await expect(answer).rejects.toThrow('enough')
  await eventually(() => expect(streams[0]?.rstCode).toBe(http2.constants.NGHTTP2_CANCEL))
  await expect(list(controller.signal)).rejects.toThrow('enough')
  expect(await list()).toEqual(rows)
  expect([streams.length, sessions.length]).toEqual([2, 1])
})

test('a list under way ends with the connection', async () => {
  const streams: http2.ServerHttp2Stream[] = []
  const { connection, list } = await subject((stream) => void streams.push(stream))
  const answer = list()
  await eventually(() => expect(streams).toHaveLength(1))
  connection.close()
  await expect(answer).rejects.toMatchObject({ code: 'transient' })
})

test('where nobody listens', async () => {
  const connection = new UpdateConnection({ network: 'unix', address: '/nowhere/at/all' }, undefined)
  for (let time = 0; time < 2; time += 1) {
    await expect(connection.update(never)).rejects.toMatchObject({
      code: 'transient',
      message: expect.stringContaining('ENOENT'),
    })
  }
})

test('an end that is not the one of the handshake is asked nothing', async () => {
  const [own, plugins, others] = await Promise.all([1, 2, 3].map(() => newSessionCertificate(Date.now())))
  const server = http2.createSecureServer({ cert: others!.certificate, key: others!.privateKey }, (request) =>
    asked.push(request.url),
  )
  const asked: string[] = []
  server.on('session', (session) => session.on('error', () => {}))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const connection = new UpdateConnection({ network: 'tcp', address, certificate: der(plugins!) }, own)
  await expect(connection.update(never)).rejects.toMatchObject({
    code: 'transient',
    message: expect.stringContaining('certificate'),
  })
  expect(asked).toEqual([])
})

test('whoever takes no connection does not keep the next list waiting', async () => {
  let taken = 0
  const server = createServer((socket) => {
    taken += 1
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const own = await newSessionCertificate(Date.now())
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const connection = new UpdateConnection({ network: 'tcp', address, certificate: der(own) }, own)
  for (let time = 1; time < 3; time += 1) {
    const controller = new AbortController()
    const answer = connection.update(controller.signal)
    await eventually(() => expect(taken).toBe(time))
    controller.abort(new Error('enough'))
    await expect(answer).rejects.toThrow('enough')
  }
})
