// The client against an endpoint that answers what Azure would not, or not often.
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { selfSignedCertificate } from '../../cloud-fakes/src/azure/certificate.ts'
import { authorityRoute } from '../../cloud-fakes/src/azure/token-endpoint.ts'
import { startForwardProxy } from '../../runner/test/forward-proxy.ts'
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

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | object
}

interface Asked {
  readonly url: URL
  readonly headers: IncomingHttpHeaders
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
    asked.push({ url, headers })
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

const machine = (id: string): object => ({ id: `/Machines/${id}`, instanceId: id, properties: { provisioningState: 'Succeeded' } })

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
    ['a page of a stranger', { body: '<html>Log in to the network</html>' }],
    ['that it is accepted', { status: 202, body: '' }],
    ['that it was made', { status: 201, body: { id: '/set', value: [] } }],
    ['no content', { status: 204 }],
  ])('%s is no answer', async (_answer, answer) => {
    await expect(read((await endpoint(answer)).client())).rejects.toMatchObject({ code: 'transient' })
  })
})

test('a list goes on where a page names the next one, which may be one without rows, until none is named', async () => {
  const next = 'ORIGIN/next?%24skiptoken=a%2Fb'
  const { client, asked } = await endpoint(
    { body: { value: [machine('1')], nextLink: next } },
    { body: { value: [], nextLink: next } },
    { body: { value: [machine('2')], nextLink: '' } },
  )
  const machines = await client().listMachines('Uniform', {}, never)
  expect(machines.map(({ id }) => id)).toEqual(['1', '2'])
  expect(asked.slice(1).map(({ url }) => `${url.pathname}${url.search}`)).toEqual(['/next?%24skiptoken=a%2Fb', '/next?%24skiptoken=a%2Fb'])
})

test('what is null is not there', async () => {
  const { client } = await endpoint(
    { body: { value: [{ ...machine('1'), tags: null, properties: { timeCreated: null, provisioningState: null } }], nextLink: null } },
    { body: { value: [{ ...machine('1'), name: null, properties: null }], nextLink: null } },
    { body: { id: '/set', tags: null, sku: null, etag: null, properties: { virtualMachineProfile: null } } },
  )
  const bare = { id: '1', resourceId: '/machines/1', provisioningState: undefined, tags: {}, createdAt: undefined, statuses: [] }
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
    const refused = { code: 'transient', message: expect.stringContaining(`${other.origin}, which is not the endpoint`) }
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
    ['of too many calls', { status: 429, headers: { 'retry-after': '17' } }, { code: 'throttled', retryAfterMs: 17_000 }],
    [
      'until a date',
      { status: 503, headers: { 'retry-after': inTwoSeconds() } },
      { code: 'transient', retryAfterMs: expect.toSatisfy((ms) => ms <= 2000) },
    ],
    ['until a date that is over', { status: 503, headers: { 'retry-after': new Date(0).toUTCString() } }, { retryAfterMs: 0 }],
    ['that names no time', { status: 503, headers: { 'retry-after': 'soon' } }, { code: 'transient', retryAfterMs: undefined }],
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
  const { client } = await endpoint(
    { status: 202, headers: followed },
    { status: 202, headers: { location: 'ORIGIN/location' } },
    { status: 200, body: 'taken on' },
  )
  const azure = client()
  const resized = () => azure.resize(3, {}, undefined, never)
  expect(await resized()).toEqual({ url: 'ORIGIN/operation', retryAfterMs: 10_000 })
  expect(await resized()).toBeUndefined()
  expect(await resized()).toBeUndefined()
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
