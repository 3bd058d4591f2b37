import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Duplex } from 'node:stream'
import { systemClock } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, expect, test } from 'vitest'
import { commonVersion, Engine } from './engine.ts'

const never = new AbortController().signal
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function dialTo(
  answer: (path: string) => { readonly status: number; readonly body: unknown } | undefined,
  raw: Readonly<Record<string, (response: ServerResponse) => void>> = {},
) {
  const server = createServer((request, response) => {
    const own = raw[request.url ?? '']
    if (own !== undefined) return own(response)
    const given = answer(request.url ?? '')
    if (given === undefined) return
    response.writeHead(given.status, { 'content-type': 'application/json' }).end(JSON.stringify(given.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return async () => connect((server.address() as AddressInfo).port, '127.0.0.1')
}

const version = { ApiVersion: '1.41', MinAPIVersion: '1.12', Os: 'linux', Arch: 'amd64' }

test.each([
  ['1.41', '1.12', '1.41'],
  ['1.51', '1.24', '1.44'],
  ['1.60', '1.50', '1.50'],
  ['1.40', undefined, '1.40'],
])('an Engine that speaks %s, and no less than %s, is spoken to in %s', (newest, oldest, expected) => {
  expect(commonVersion({ ApiVersion: newest, MinAPIVersion: oldest })).toBe(expected)
})

test.each([['1.39'], ['1'], [5], [undefined]])('an Engine that says %j is too old', (newest) => {
  expect(() => commonVersion({ ApiVersion: newest })).toThrow(expect.objectContaining({ code: 'too_old' }))
})

test('calls go to the version that both speak, and what the Engine answers is told by name', async () => {
  const paths: string[] = []
  const answers: Record<string, { status: number; body: unknown }> = {
    '/version': { status: 200, body: version },
    '/v1.41/images/a/json': { status: 404, body: { message: 'No such image: a:latest' } },
    '/v1.41/images/b/json': { status: 500, body: { message: 'write /x: no space left on device' } },
    '/v1.41/images/c/json': { status: 500, body: 'nonsense' },
  }
  const dial = await dialTo((path) => {
    paths.push(path)
    return answers[path]
  })
  const engine = await Engine.open({ dial, clock: systemClock, signal: never })
  closing.push(() => engine.close())
  const inspect = (name: string) =>
    engine.call(`looking for ${name}`, never, (docker) => docker.getImage(name).inspect())
  await expect(inspect('a')).rejects.toMatchObject({
    code: 'not_found',
    status: 404,
    message: 'looking for a: No such image: a:latest',
  })
  await expect(inspect('b')).rejects.toMatchObject({ code: 'no_space' })
  await expect(inspect('c')).rejects.toMatchObject({ code: 'failed', status: 500 })
  expect(paths[0]).toBe('/version')
  expect(engine.platform).toEqual({ os: 'linux', architecture: 'amd64' })
})

test('a dial that fails, or an answer that breaks off, is an Engine that cannot be reached', async () => {
  const dial = () => Promise.reject(new Error('the channel was refused'))
  await expect(Engine.open({ dial, clock: systemClock, signal: never })).rejects.toMatchObject({
    code: 'unreachable',
    message: 'asking for its version: the channel was refused',
  })
})

test('one stream after the other is used again, although it is no socket', async () => {
  const dial = await dialTo(() => ({ status: 200, body: version }))
  let dials = 0
  const dialPlain = async (): Promise<Duplex> => {
    dials++
    const socket = await dial()
    return Duplex.from({ readable: socket, writable: socket })
  }
  const engine = await Engine.open({ dial: dialPlain, clock: systemClock, signal: never })
  closing.push(() => engine.close())
  for (let calls = 0; calls < 3; calls++) await engine.call('asking', never, (docker) => docker.version())
  expect(dials).toBe(1)
})

test('an Engine that hangs is given up after its time', async () => {
  const clock = new ManualClock()
  const dial = await dialTo(() => undefined)
  const opening = Engine.open({ dial, clock, signal: never, limitMs: 1000 })
  opening.catch(() => {})
  await clock.advance(1000)
  await expect(opening).rejects.toMatchObject({ code: 'timed_out' })
})

test('a stream is read as it comes, and ends with its signal', async () => {
  const dial = await dialTo((path) => (path === '/version' ? { status: 200, body: version } : undefined), {
    '/v1.41/images/create?fromImage=a': (response) => void response.writeHead(200).write('{}\n'),
  })
  const engine = await Engine.open({ dial, clock: systemClock, signal: never })
  closing.push(() => engine.close())
  const controller = new AbortController()
  const request = { method: 'POST', path: '/images/create?fromImage=a' } as const
  const stream = await engine.stream('pulling', controller.signal, request)
  const chunks: string[] = []
  const reading = (async () => {
    for await (const chunk of stream) {
      chunks.push(String(chunk))
      controller.abort(new Error('canceled'))
    }
  })()
  await expect(reading).rejects.toThrow('canceled')
  expect(chunks).toEqual(['{}\n'])
})

test('no more of a refusal is read than can be shown', async () => {
  const dial = await dialTo((path) => (path === '/version' ? { status: 200, body: version } : undefined), {
    '/v1.41/endless': (response) => {
      response.writeHead(500)
      const write = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 'x')));
      }
      response.on('drain', write)
      write()
    },
    '/v1.41/said': (response) => void response.writeHead(404).end('{"message":"no such thing"}'),
  })
  const engine = await Engine.open({ dial, clock: systemClock, signal: never })
  closing.push(() => engine.close())
  const get = (path: string) => engine.stream('trying', never, { method: 'GET', path })
  await expect(get('/endless')).rejects.toMatchObject({
    code: 'failed',
    message: 'trying: an answer with status 500',
  })
  await expect(get('/said')).rejects.toMatchObject({ code: 'not_found', answer: 'no such thing' })
})

test('a connection is handed over with nothing sent in it, and a refusal is told by name', async () => {
  const server = createServer((request, response) => {
    if (request.url === '/version') return void response.end(JSON.stringify(version))
    response.writeHead(404).end(JSON.stringify({ message: 'No such container: b' }))
  })
  server.on('upgrade', ({ url }, socket, head) => {
    if (url !== '/v1.41/containers/a/attach') return void socket.end('HTTP/1.1 404 Not Found\r\n\r\n')
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')
    socket.write(head)
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  const dial = async () => connect((server.address() as AddressInfo).port, '127.0.0.1')
  const engine = await Engine.open({ dial, clock: systemClock, signal: never })
  closing.push(() => engine.close())
  const stream = await engine.connect('attaching', never, '/containers/a/attach')
  stream.end('script')
  const chunks: Buffer[] = []
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
  expect(Buffer.concat(chunks).toString()).toBe('script')
  await expect(engine.connect('attaching', never, '/containers/b/attach')).rejects.toMatchObject({ code: 'not_found' })
})
