// What no decent registry does, by answers made up here; the decent ones are the runner's integration tests.
import { createHash } from 'node:crypto'
import { ManualClock } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import type { Credentials } from './credentials.ts'
import { RegistryClient } from './registry-client.ts'
import type { RegistryAnswer, RegistryExchange, RegistryRequest } from './registry-exchange.ts'

interface Reply {
  readonly status?: number
  readonly headers?: RegistryAnswer['headers']
  readonly body?: string
}
type Served = (request: RegistryRequest) => Reply | Error

const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`

function setUp(
  served: Served,
  {
    registry = 'registry.example',
    credentials,
    plainHttp = false,
  }: { registry?: string; credentials?: Credentials; plainHttp?: boolean } = {},
) {
  const clock = new ManualClock()
  const asked: RegistryRequest[] = []
  const stop = new AbortController()
  const exchange: RegistryExchange = async (request) => {
    asked.push(request)
    const reply = served(request)
    if (reply instanceof Error) throw reply
    const { status = 200, headers = {}, body = '{}' } = reply
    return { status, headers, body: Object.assign(chunks(body), { destroy: () => {} }) }
  }
  const client = new RegistryClient({
    registry,
    repository: 'acme/moon',
    credentials,
    plainHttp,
    exchange,
    clock,
    random: () => 0,
    signal: stop.signal,
  })
  return { client, clock, asked, stop }
}
async function* chunks(body: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(body)
}
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )
const account = { username: 'ci', password: 'secret' }
const basic = `Basic ${Buffer.from('ci:secret').toString('base64')}`

test('all pages of tags, of this registry only, and no endless list', async () => {
  const pages: Record<string, Reply> = {
    '/v2/acme/moon/tags/list': {
      body: '{"tags":["1","2"]}',
      headers: { link: '</v2/acme/moon/tags/list?last=2>; rel="next"' },
    },
    '/v2/acme/moon/tags/list?last=2': {
      body: '{"tags":["3",7,null]}',
      headers: { link: '<https://elsewhere.example/tags>; rel="next"' },
    },
  }
  expect(await setUp(({ url }) => pages[`${url.pathname}${url.search}`] as Reply).client.tags()).toEqual([
    '1',
    '2',
    '3',
  ])
  const { client, asked } = setUp(({ url }) => ({
    body: '{"tags":["x"]}',
    headers: { link: `<?last=${Number(url.searchParams.get('last')) + 1}>; rel="next"` },
  }))
  expect((await client.tags()).length).toBe(asked.length)
  expect(await setUp(() => ({ status: 404 })).client.tags()).toEqual([])
  expect(await setUp(() => ({ body: '{"tags":null}' })).client.tags()).toEqual([])
})

test('credentials are sent after a challenge only, and once', async () => {
  const { client, asked } = setUp(() => ({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }), {
    credentials: account,
  })
  expect(await failure(client.tags())).toMatchObject({
    code: 'unauthorized',
    message: expect.stringContaining('refused with the credentials'),
  })
  expect(asked.map(({ headers }) => headers['authorization'])).toEqual([undefined, basic])
})

test.each<[string, string, Credentials]>([
  ['tokens over HTTP', 'Bearer realm="http://auth.example/token"', account],
  ['tokens from what is no address', 'Bearer realm="file:///etc/passwd"', account],
  ['tokens from nowhere', 'Bearer service="x"', account],
  ['another way to sign on', 'Negotiate', account],
  ['a password where a token is kept', 'Basic realm="x"', { identityToken: 'token' }],
])('it is not shown credentials: %s', async (_, challenge, credentials) => {
  const { client, asked } = setUp(() => ({ status: 401, headers: { 'www-authenticate': challenge } }), { credentials })
  expect(await failure(client.tags())).toMatchObject({
    name: 'InstallError',
    code: expect.stringMatching(/^(refused|unauthorized)$/),
  })
  expect(asked.map(({ url, headers, body }) => [url.host, headers['authorization'], body])).toEqual([
    ['registry.example', undefined, undefined],
  ])
})

test('a token that is kept as it is, is used as it is', async () => {
  const { client, asked } = setUp(
    ({ headers }) => (headers['authorization'] === 'Bearer kept' ? {} : { status: 401 }),
    {
      credentials: { registryToken: 'kept' },
    },
  )
  expect(await client.tags()).toEqual([])
  expect(asked).toHaveLength(2)
})

test.each([
  ['to HTTP', 'http://registry.example/x'],
  ['to no address', 'http://'],
  ['to a file', 'file:///etc/passwd'],
  ['for ever', '/v2/acme/moon/tags/list'],
])('redirected %s: refused', async (_, location) => {
  const { client, asked } = setUp(() => ({ status: 307, headers: { location } }))
  expect(await failure(client.tags())).toMatchObject({ code: 'refused', message: expect.stringContaining('redirects') })
  expect(asked.every(({ url }) => url.protocol === 'https:')).toBe(true)
})

test('where it is redirected to, it has no credentials, but again when it comes back', async () => {
  const { client, asked } = setUp(
    ({ url, headers }) => {
      if (url.host === 'store.example') return { status: 302, headers: { location: 'https://registry.example/there' } }
      if (headers['authorization'] === undefined)
        return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
      return url.pathname === '/there' ? {} : { status: 302, headers: { location: 'https://store.example/' } }
    },
    { credentials: account },
  )
  await client.tags()
  expect(asked.map(({ url, headers }) => [url.host, headers['authorization']])).toEqual([
    ['registry.example', undefined],
    ['registry.example', basic],
    ['store.example', undefined],
    ['registry.example', basic],
  ])
})

test('it waits as long as it is asked to, and not for ever', async () => {
  let busy = 0
  const { client, clock, asked } = setUp(() => ({
    status: ++busy > 2 ? 200 : 429,
    headers: { 'retry-after': busy === 1 ? '7' : '86400' },
  }))
  const tags = client.tags()
  await clock.advance(6_999)
  expect(asked).toHaveLength(1)
  await clock.advance(1)
  expect(asked).toHaveLength(2)
  await clock.advance(60_000)
  expect(await tags).toEqual([])
})

test('what does not answer is asked four times; an untrusted certificate and an unknown name once', async () => {
  for (const [code, times] of [
    ['ECONNRESET', 4],
    ['SELF_SIGNED_CERT_IN_CHAIN', 1],
    ['ENOTFOUND', 1],
  ] as const) {
    const { client, clock, asked } = setUp(() => Object.assign(new Error(`it says ${code}`), { code }))
    const failed = failure(client.tags())
    await clock.advance(60_000)
    expect(await failed).toMatchObject({ code: 'unreachable', message: expect.stringContaining(`it says ${code}`) })
    expect(asked).toHaveLength(times)
  }
})

test('HTTP: where it is asked for, or on this machine when that speaks nothing else', async () => {
  const asks = async (registry: string, plainHttp: boolean, error?: Error): Promise<readonly string[]> => {
    const { client, clock, asked } = setUp(({ url }) => (url.protocol === 'https:' && error) || {}, {
      registry,
      plainHttp,
    })
    const done = failure(client.tags())
    await clock.advance(60_000)
    await done
    return [...new Set(asked.map(({ url }) => url.origin))]
  }
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  const untrusted = new Error('fetch failed', {
    cause: Object.assign(new Error('untrusted'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
  })
  expect(await asks('registry.example', true)).toEqual(['http://registry.example'])
  expect(await asks('registry.example', false, refused)).toEqual(['https://registry.example'])
  expect(await asks('127.0.0.1:5000', false, refused)).toEqual(['https://127.0.0.1:5000', 'http://127.0.0.1:5000'])
  expect(await asks('127.0.0.1:5000', false, untrusted)).toEqual(['https://127.0.0.1:5000'])
  expect(await asks('127.0.0.1.example', false, refused)).toEqual(['https://127.0.0.1.example'])
})

test('documents are what their digest says, JSON, and no longer than manifests are', async () => {
  const good = '{"mediaType":"x"}'
  const { client } = setUp(() => ({ body: good, headers: { 'docker-content-digest': digestOf(good) } }))
  expect(await client.manifest(digestOf(good), '*/*')).toEqual({
    json: { mediaType: 'x' },
    digest: digestOf(good),
    mediaType: 'x',
  })
  expect(await failure(client.manifest(digestOf('other'), '*/*'))).toMatchObject({ code: 'corrupt' })
  expect(
    await failure(
      setUp(() => ({ body: good, headers: { 'docker-content-digest': digestOf('x') } })).client.manifest('1', '*/*'),
    ),
  ).toMatchObject({ code: 'corrupt' })
  for (const body of ['<html>', 'null', '"x"', ''])
    expect(await failure(setUp(() => ({ body })).client.manifest('1', '*/*'))).toMatchObject({ code: 'refused' })
  expect(
    await failure(setUp(() => ({ body: `"${'x'.repeat(5_000_000)}"` })).client.manifest('1', '*/*')),
  ).toMatchObject({
    code: 'refused',
  })
})

test('aborted: the reason is what it rejects with, also while it waits', async () => {
  const { client, stop } = setUp(() => ({ status: 503 }))
  const failed = failure(client.tags())
  const reason = new Error('enough')
  stop.abort(reason)
  expect(await failed).toBe(reason)
})
