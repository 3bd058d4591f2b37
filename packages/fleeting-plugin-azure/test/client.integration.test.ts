// The client against an endpoint that answers what Azure would not, or not often.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { inspect, promisify } from 'node:util'
import { authorityRoute, selfSignedCertificate } from '@runner-core/cloud-fakes/internals'
import { startForwardProxy } from '@runner-core/testkit/http/forward-proxy'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { AzureClient } from '../src/client.ts'

const never = new AbortController().signal
const login = { tenantId: '00000000-0000-4000-8000-00000000000a', clientId: 'client', clientSecret: 'secret' }
const tls = await selfSignedCertificate()

beforeAll(() => {
  vi.stubEnv('AZURE_TENANT_ID', login.tenantId)
  vi.stubEnv('AZURE_CLIENT_ID', login.clientId)
  vi.stubEnv('AZURE_CLIENT_SECRET', login.clientSecret)
})
afterAll(() => void vi.unstubAllEnvs())

test('nothing of the SDK is loaded before the first call', async () => {
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    const { createInstanceGroup } = await import('${new URL('../src/index.ts', import.meta.url).href}')
    const { silentLogger, systemClock, systemRandom } = await import('@runner-core/fleeting')
    const context = { fleet: 'f', connector: { privateKey: 'KEY' }, logger: silentLogger, clock: systemClock, random: systemRandom }
    createInstanceGroup({ name: 'n', subscription_id: 's', resource_group_name: 'g' }, context)
    const sdk = () => loaded.filter((url) => /node_modules.@azure/.test(url))
    console.log(JSON.stringify(sdk()))`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=@runner-core/source', '--input-type=module', '--eval', program],
    { cwd: fileURLToPath(new URL('..', import.meta.url)) },
  )
  expect(JSON.parse(stdout)).toEqual([])
})

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | object
  /** Nothing is answered. */
  readonly never?: true
}

interface Asked {
  readonly url: URL
  readonly headers: IncomingHttpHeaders
  /** Settles once the request is over, answered or given up. */
  readonly over: Promise<unknown>
  /** Closes its connection. */
  readonly cut: () => void
}

interface Endpoint {
  readonly origin: string
  readonly asked: readonly Asked[]
  readonly client: (resourceGroup?: string) => AzureClient
}

/** Gives tokens, and answers `answers` in their order; their bodies may name its origin as ORIGIN. */
async function endpoint(...answers: readonly Answer[]): Promise<Endpoint> {
  const asked: Asked[] = []
  const reply = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', headers } = request
    const url = new URL(request.url!, origin)
    const body = await text(request)
    const authority = authorityRoute({ method, url, headers: {}, body }, login)
    if (authority !== undefined) {
      const { status, headers, body } = await authority.act()
      response.writeHead(status, headers).end(body)
      return
    }
    const answer = answers[asked.length] ?? { status: 500 }
    asked.push({ url, headers, over: once(response, 'close'), cut: () => response.destroy() })
    if (answer.never) return
    const answered = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)
    response.writeHead(answer.status ?? 200, answer.headers).end(answered?.replaceAll('ORIGIN', origin))
  }
  const server = createServer(tls, (request, response) => void reply(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = (resourceGroup = 'group'): AzureClient =>
    new AzureClient({
      name: 'set',
      subscriptionId: 'subscription',
      resourceGroup,
      endpoint: origin,
      audience: origin,
      authorityHost: origin,
      certificates: [tls.cert],
    })
  return { origin, asked, client }
}

const machine = (id: string): object => ({
  id: `/Machines/${id}`,
  instanceId: id,
  properties: { provisioningState: 'Succeeded' },
})

describe.each<[string, (client: AzureClient) => Promise<unknown>]>([
  ['machines', (client) => client.listMachines('Uniform', {}, never)],
  ['rows', (client) => client.list('listing rows', '/rows', '2020-01-01', never)],
  ['the set', (client) => client.getSet(never)],
])('of %s', (_what, read) => {
  test.each<[string, Answer]>([
    ['nothing', { body: '' }],
    ['null', { body: 'null' }],
    ['a list of nothing', { body: '[]' }],
    ['an object of nothing', { body: '{}' }],
    ['a word in place of rows', { body: { value: 'ab' } }],
    ['a page of a stranger', { body: '<html>Log in to the network</html>' }],
    ['that it is accepted', { status: 202, body: '' }],
    ['that it was made', { status: 201, body: { id: '/set', value: [] } }],
    ['no content', { status: 204 }],
  ])('%s is no answer', async (_answer, answer) => {
    await expect(read((await endpoint(answer)).client())).rejects.toMatchObject({ code: 'transient' })
  })
})

test('an answer that cannot be read is not quoted, and what it says is not taken for a refusal', async () => {
  const broken = {
    headers: { 'content-type': 'application/json' },
    body: `{"value":[{"name":"quota self-signed certificate ${'x'.repeat(10_000)}"}`,
  }
  const { client } = await endpoint(
    broken,
    broken,
    broken,
    { body: { value: [machine('1')], nextLink: 'ORIGIN/next' } },
    broken,
  )
  const azure = client()
  const reads = [
    () => azure.getSet(never),
    () => azure.listMachines('Uniform', {}, never),
    () => azure.list('listing rows', '/rows', '2020-01-01', never),
    () => azure.listMachines('Uniform', {}, never),
  ]
  for (const read of reads) {
    const error: unknown = await read().catch((error: unknown) => error)
    expect(error).toMatchObject({
      code: 'transient',
      message: expect.stringMatching(/^[^:]{1,80}: the answer has an unexpected form$/),
    })
    expect(inspect(error)).not.toContain('xxxxxxxxxxxxxxxxxxxx')
  }
})

test('a list of which a later page is refused is refused', async () => {
  const { client } = await endpoint({ body: { value: [machine('1')], nextLink: 'ORIGIN/next' } }, { status: 429 })
  await expect(client().listMachines('Uniform', {}, never)).rejects.toMatchObject({ code: 'throttled' })
})

describe('a list goes on where a page names the next one, which may be one without rows, until none is named:', () => {
  const pagesFrom = (path: string) =>
    endpoint(
      { body: { value: [machine('1')], nextLink: `ORIGIN${path}` } },
      { body: { value: [], nextLink: `ORIGIN${path}` } },
      { body: { value: [machine('2')], nextLink: '' } },
    )
  const named = '/next?api-version=2020-01-01&%24skiptoken=a%2Fb'
  const bare = '/next?%24skiptoken=a%2Fb'
  test.each([
    ['machines, of the version of the API that the page names', named, named],
    // Resource Manager refuses a request without a version.
    ["machines, of the SDK's version where the page names none", bare, `${bare}&api-version=2026-04-01`],
  ])('%s', async (_what, path, next) => {
    const { client, asked } = await pagesFrom(path)
    const machines = await client().listMachines('Uniform', {}, never)
    expect(machines.map(({ id }) => id)).toEqual(['1', '2'])
    expect(asked.slice(1).map(({ url }) => `${url.pathname}${url.search}`)).toEqual([next, next])
  })

  test.each([named, bare])('rows, of %s as it is', async (path) => {
    const { client, asked } = await pagesFrom(path)
    expect(await client().list('listing rows', '/rows', '2020-01-01', never)).toEqual([machine('1'), machine('2')])
    expect(asked.slice(1).map(({ url }) => `${url.pathname}${url.search}`)).toEqual([path, path])
  })
})

test.each<[string, (client: AzureClient, signal: AbortSignal) => Promise<unknown>]>([
  ['machines', (client, signal) => client.listMachines('Uniform', {}, signal)],
  ['rows', (client, signal) => client.list('listing rows', '/rows', '2020-01-01', signal)],
])('a list of %s ends with its signal, and its request too, also one for a later page', async (_what, list) => {
  const { client, asked } = await endpoint(
    { body: { value: [machine('1')], nextLink: 'ORIGIN/next' } },
    { never: true },
  )
  const reason = new Error('enough')
  const controller = new AbortController()
  const listing = list(client(), controller.signal)
  await vi.waitFor(() => expect(asked).toHaveLength(2))
  controller.abort(reason)
  await expect(listing).rejects.toBe(reason)
  await asked[1]!.over
})

test('what is null is not there', async () => {
  const { client } = await endpoint(
    {
      body: {
        value: [{ ...machine('1'), tags: null, properties: { timeCreated: null, provisioningState: null } }],
        nextLink: null,
      },
    },
    { body: { value: [{ ...machine('1'), name: null, properties: null }], nextLink: null } },
    { body: { id: '/set', tags: null, sku: null, etag: null, properties: { virtualMachineProfile: null } } },
  )
  const bare = {
    id: '1',
    resourceId: '/machines/1',
    provisioningState: undefined,
    tags: {},
    createdAt: undefined,
    statuses: [],
  }
  const azure = client()
  expect(await azure.listMachines('Uniform', {}, never)).toEqual([bare])
  expect(await azure.listMachines('Uniform', {}, never)).toEqual([bare])
  expect(await azure.getSet(never)).toEqual({ id: '/set' })
})

describe('the token goes nowhere else', () => {
  test('by the name of the next page, or of an operation', async () => {
    const other = await endpoint({ body: { value: [] } })
    const { client } = await endpoint({ body: { value: [machine('1')], nextLink: `${other.origin}/next` } })
    const azure = client()
    const refused = {
      code: 'transient',
      message: expect.stringContaining(`${other.origin}, which is not the endpoint`),
    }
    await expect(azure.listMachines('Uniform', {}, never)).rejects.toMatchObject(refused)
    await expect(azure.operation(`${other.origin}/operation`, never)).rejects.toMatchObject(refused)
    expect(other.asked).toEqual([])
  })

  test.each([300, 301, 302, 307, 308])('by an answer of %i', async (status) => {
    const other = await endpoint({ body: { value: [] } })
    const { client } = await endpoint({ status, headers: { location: `${other.origin}/elsewhere` } })
    await expect(client().listMachines('Uniform', {}, never)).rejects.toMatchObject({ code: 'transient' })
    expect(other.asked).toEqual([])
  })
})

test.each(['gro(u)p.1-_', 'Größe', 'グループ'])('a resource group may be called %s', async (name) => {
  const { client, asked } = await endpoint({ body: { value: [] } }, { body: { value: [] } })
  const azure = client(name)
  await azure.listMachines('Uniform', {}, never)
  await azure.listMachines('Flexible', {}, never)
  const [uniform, flexible] = asked.map(({ url }) => url)
  const set = `/subscriptions/subscription/resourceGroups/${name}/providers/Microsoft.Compute/virtualMachineScaleSets/set`
  expect(decodeURIComponent(uniform!.pathname)).toBe(`${set}/virtualMachines`)
  // As Azure itself writes ids.
  expect(flexible!.searchParams.get('$filter')).toBe(`'virtualMachineScaleSet/id' eq '${set}'`)
})

describe('a refusal', () => {
  const inTwoSeconds = (): string => new Date(Date.now() + 2000).toUTCString()
  test.each<[string, Answer, object]>([
    [
      'of too many calls',
      { status: 429, headers: { 'retry-after': '17' } },
      { code: 'throttled', retryAfterMs: 17_000 },
    ],
    [
      'until a date',
      { status: 503, headers: { 'retry-after': inTwoSeconds() } },
      { code: 'transient', retryAfterMs: expect.toSatisfy((ms) => ms <= 2000) },
    ],
    [
      'until a date that is over',
      { status: 503, headers: { 'retry-after': new Date(0).toUTCString() } },
      { retryAfterMs: 0 },
    ],
    [
      'that names no time',
      { status: 503, headers: { 'retry-after': 'soon' } },
      { code: 'transient', retryAfterMs: undefined },
    ],
    [
      'in its envelope',
      { status: 409, body: { error: { code: 'AllocationFailed', message: 'none left' } } },
      { code: 'capacity', message: 'deleting 1 machines of scale set set: AllocationFailed: none left' },
    ],
    [
      'without its envelope',
      { status: 409, body: { code: 'AllocationFailed', message: 'none left' } },
      { code: 'capacity', message: 'deleting 1 machines of scale set set: AllocationFailed: none left' },
    ],
    [
      'of a proxy',
      { status: 502, body: '<html>' },
      { code: 'transient', message: 'deleting 1 machines of scale set set: HTTP status 502' },
    ],
  ])('%s is asked once, and told', async (_what, answer, error) => {
    const { client, asked } = await endpoint(answer)
    await expect(client().deleteMachines(['1'], never)).rejects.toMatchObject(error)
    expect(asked).toHaveLength(1)
  })
})

test.each([
  ['Microsoft.Compute/HighCostGet3Min;159,Microsoft.Compute/HighCostGet30Min;1259', { ScaleSetLowCostGet: 159 }],
  ['Microsoft.Compute/GetVMScaleSet3Min;0', { ScaleSetLowCostGet: 0 }],
  ['something else', {}],
])('what an answer says is left (%s) is told once, of the bucket that it drew from', async (header, left) => {
  const headers = { 'x-ms-ratelimit-remaining-resource': header }
  const { client } = await endpoint({ status: 429, headers })
  const azure = client()
  await expect(azure.getSet(never)).rejects.toMatchObject({ code: 'throttled', bucket: 'ScaleSetLowCostGet' })
  expect(azure.takeHeadroom()).toEqual(left)
  expect(azure.takeHeadroom()).toEqual({})
})

test('a change is followed where Azure says so, and taken on whatever the answer has to say beside it', async () => {
  const followed = { 'azure-asyncoperation': 'ORIGIN/operation', location: 'ORIGIN/location', 'retry-after': '10' }
  const json = { 'content-type': 'application/json' }
  const { client, asked } = await endpoint(
    { status: 202, headers: followed },
    { status: 202, headers: { location: 'ORIGIN/location' } },
    { status: 200, body: 'taken on' },
    { status: 200, headers: { ...json, ...followed }, body: '{' },
    { status: 200, headers: json, body: { properties: { provisioningState: 7 } } },
    { status: 201, headers: followed, body: { properties: { provisioningState: 'Failed' } } },
    { status: 200, body: '' },
  )
  const azure = client()
  const resized = () => azure.resize(3, {}, undefined, never)
  expect(await resized()).toEqual({ url: 'ORIGIN/operation', retryAfterMs: 10_000 })
  expect(await resized()).toBeUndefined()
  expect(await resized()).toBeUndefined()
  expect(await resized()).toMatchObject({ url: 'ORIGIN/operation' })
  expect(await resized()).toBeUndefined()
  expect(await resized()).toMatchObject({ url: 'ORIGIN/operation' })
  expect(await resized()).toBeUndefined()
  expect(asked).toHaveLength(7)
})

test('a change of the size or the tags is of what was read', async () => {
  const { client, asked } = await endpoint({ body: {} }, { body: {} }, { body: {} })
  const azure = client()
  await azure.resize(3, {}, '"7"', never)
  await azure.retag({}, '"8"', never)
  await azure.retag({}, undefined, never)
  expect(asked.map(({ headers }) => headers['if-match'])).toEqual(['"7"', '"8"', undefined])
})

test('a change that fails after it was begun, in the network, is not taken on', async () => {
  const { client, asked } = await endpoint({ never: true })
  const resized = client().resize(3, {}, undefined, never)
  await vi.waitFor(() => expect(asked).toHaveLength(1))
  asked[0]!.cut()
  await expect(resized).rejects.toMatchObject({ code: 'transient' })
  expect(asked).toHaveLength(1)
})

test('certificates are trusted through a proxy of the environment too, for tokens as well', async () => {
  const { client, origin } = await endpoint({ body: { value: [] } })
  const { port, host } = new URL(origin)
  const proxy = await startForwardProxy(Number(port))
  // It has ended once the endpoint has closed its tunnels.
  onTestFinished(() => void proxy[Symbol.asyncDispose]())
  vi.stubEnv('HTTPS_PROXY', `http://${proxy.url}`)
  try {
    expect(await client().listMachines('Uniform', {}, never)).toEqual([])
  } finally {
    vi.stubEnv('HTTPS_PROXY', undefined)
  }
  expect(proxy.asked.length).toBeGreaterThan(1)
  expect(new Set(proxy.asked.map(({ line }) => line))).toEqual(new Set([`CONNECT ${host}`]))
})
