// The client against an endpoint that answers what Compute Engine would not, or not often.
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { systemClock } from '@runner-core/fleeting'
import { startForwardProxy } from '@runner-core/testkit/http/forward-proxy'
import { startHttpsFront, tlsFile } from '@runner-core/testkit/http/https-front'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ComputeClient } from '../src/client.ts'
import { parseConfig } from '../src/config.ts'

const { signal: never } = new AbortController()
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const account = {
  type: 'service_account',
  client_email: 'fleet@example.invalid',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
}

beforeEach(() => {
  for (const name of Object.keys(process.env))
    if (/^(GOOGLE|GCE|GCLOUD|CLOUDSDK)_|_PROXY$/i.test(name)) vi.stubEnv(name, undefined)
})
afterEach(() => void vi.unstubAllEnvs())

function fileOf(content: object): string {
  const directory = mkdtempSync(join(tmpdir(), 'gce-client-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'credentials.json')
  writeFileSync(path, JSON.stringify(content))
  return path
}

function clientOf(config: object, credentials: object = account): ComputeClient {
  const base = { name: 'runners', project: 'p', zone: 'z', credentials_file: fileOf(credentials) }
  return new ComputeClient(parseConfig({ ...base, ...config }), systemClock)
}

interface Asked {
  readonly line: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A server on loopback that notes what it is asked. */
async function serve(
  reply: (asked: Asked, response: ServerResponse, request: IncomingMessage) => unknown,
): Promise<{ readonly url: string; readonly asked: readonly Asked[] }> {
  const asked: Asked[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const one = { line: `${request.method} ${request.url}`, headers: request.headers, body: await text(request) }
    asked.push(one)
    reply(one, response, request)
  }
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** A moment that others can wait for. */
function moment(): { readonly come: Promise<void>; readonly arrive: () => void } {
  let arrive = (): void => {}
  const come = new Promise<void>((resolve) => (arrive = resolve))
  return { come, arrive }
}

function json(response: ServerResponse, value: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

test('nothing of the SDK is loaded before the first call', async () => {
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    const { createInstanceGroup } = await import('${new URL('../src/index.ts', import.meta.url).href}')
    const { silentLogger, systemClock, systemRandom } = await import('@runner-core/fleeting')
    const context = { fleet: 'f', connector: {}, logger: silentLogger, clock: systemClock, random: systemRandom }
    createInstanceGroup({ name: 'n', project: 'p', zone: 'z' }, context)
    console.log(JSON.stringify(loaded.filter((url) => /node_modules.(@google-cloud|google|gaxios|@grpc)/.test(url))))`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=@runner-core/source', '--input-type=module', '--eval', program],
    { cwd: fileURLToPath(new URL('..', import.meta.url)) },
  )
  expect(JSON.parse(stdout)).toEqual([])
})

describe('a request', () => {
  test('goes to the path of the endpoint, and asks for the fields that are needed only', async () => {
    const { url, asked } = await serve((_, response) => json(response, { id: '9007199254740993', name: 'a' }))
    const instance = await clientOf({ endpoint: `${url}/behind/a/path/` }).getInstance('z', 'a', never)
    expect(instance).toEqual({ id: '9007199254740993', name: 'a' })
    const { pathname, searchParams } = new URL(asked[0]!.line.replace('GET ', ''), url)
    expect(pathname).toBe('/behind/a/path/compute/v1/projects/p/zones/z/instances/a')
    expect([...searchParams]).toEqual([
      ['fields', 'id,name,status,networkInterfaces(networkIP,accessConfigs/natIP),metadata(fingerprint,items)'],
    ])
    expect(asked[0]!.headers).not.toHaveProperty('x-goog-fieldmask')
  })

  test.each([
    ['global', 'global/instanceTemplates/t'],
    ['regional', 'regions/r/instanceTemplates/t'],
  ])('for a %s template goes to where that is', async (_where, path) => {
    const metadata = { items: [{ key: 'enable-oslogin', value: 'TRUE' }] }
    const { url, asked } = await serve((_, response) => json(response, { properties: { metadata } }))
    const link = `https://www.googleapis.com/compute/v1/projects/p/${path}`
    expect(await clientOf({ endpoint: url }).getTemplateMetadata(link, never)).toEqual(metadata)
    expect(asked.map(({ line }) => line)).toEqual([`GET /compute/v1/projects/p/${path}?fields=properties%2Fmetadata`])
  })

  test.each([401, 403, 408, 429, 500, 502, 503, 504])('that is refused with %i is sent once', async (status) => {
    const { url, asked } = await serve((_, response) => json(response, { error: { message: 'no' } }, status))
    const client = clientOf({ endpoint: url })
    await expect(client.getInstance('z', 'a', never)).rejects.toThrow(`reading instance a: HTTP ${status}: no`)
    await expect(client.deleteInstances(['a'], never)).rejects.toThrow(`deleting 1 instances: HTTP ${status}: no`)
    expect(asked).toHaveLength(2)
  })

  test('whose answer is cut short is a transient failure, and is sent once', async () => {
    const { url, asked } = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"name":')
      setImmediate(() => response.destroy())
    })
    await expect(clientOf({ endpoint: url }).getGroup(never)).rejects.toMatchObject({ code: 'transient' })
    expect(asked).toHaveLength(1)
  })

  test.each([
    ['before it is answered', () => {}],
    ['in the middle of its answer', (response: ServerResponse) => void response.writeHead(200).write('{"name":')],
    ['in the middle of a refusal', (response: ServerResponse) => void response.writeHead(503).write('{"error":')],
  ])('that is aborted %s ends with the reason, and its connection is closed', async (_when, reply) => {
    const [arrived, closed] = [moment(), moment()]
    const { url } = await serve((_, response) => {
      response.on('close', closed.arrive)
      reply(response)
      arrived.arrive()
    })
    const controller = new AbortController()
    const call = clientOf({ endpoint: url }).listManagedInstances(controller.signal)
    call.catch(() => {})
    await arrived.come
    const reason = new Error('no longer wanted')
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
    await closed.come
  })

  test('that is aborted while the log-in hangs ends with the reason', async () => {
    const arrived = moment()
    const { url } = await serve(() => arrived.arrive())
    const controller = new AbortController()
    const hanging = { ...workforceUser, token_url: `${url}/token` }
    const call = clientOf({ endpoint: url }, hanging).getGroup(controller.signal)
    call.catch(() => {})
    await arrived.come
    const reason = new Error('no longer wanted')
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
  })
})

describe('a list', () => {
  test('is read page by page, and no further once it is aborted', async () => {
    const controller = new AbortController()
    const { url, asked } = await serve(({ line }, response) => {
      if (line.includes('pageToken=two')) controller.abort(new Error('no longer wanted'))
      json(response, { managedInstances: [{ name: 'a' }], nextPageToken: line.includes('pageToken') ? 'three' : 'two' })
    })
    await expect(clientOf({ endpoint: url }).listManagedInstances(controller.signal)).rejects.toThrow(
      'no longer wanted',
    )
    expect(asked.map(({ line }) => new URL(line.replace('POST ', ''), url).search)).toEqual([
      '?maxResults=500',
      '?maxResults=500&pageToken=two',
    ])
  })
})

/** As `gcloud auth login` with workforce identity federation writes it. */
const workforceUser = {
  type: 'external_account_authorized_user',
  audience: '//iam.googleapis.com/locations/global/workforcePools/pool/providers/provider',
  client_id: 'client',
  client_secret: 'secret',
  refresh_token: 'refresh-of-the-workforce',
  token_info_url: 'https://sts.example.invalid/v1/introspect',
}

describe('logging in', () => {
  test('as a workforce user refreshes the token where the file says', async () => {
    const { url, asked } = await serve(({ line }, response) =>
      json(
        response,
        line.startsWith('POST /token') ? { access_token: 'of-the-user', expires_in: 3600 } : { name: 'a' },
      ),
    )
    await clientOf({ endpoint: url }, { ...workforceUser, token_url: `${url}/token` }).getGroup(never)
    expect(asked.map(({ line }) => line)).toEqual([
      'POST /token',
      expect.stringMatching(/^GET \/compute\/v1\/projects\/p\/zones\/z\/instanceGroupManagers\/runners/),
    ])
    expect(Object.fromEntries(new URLSearchParams(asked[0]!.body))).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'refresh-of-the-workforce',
    })
    expect(asked[1]!.headers.authorization).toBe('Bearer of-the-user')
  })

  test('as another service account asks for its token with that of the source, and writes nothing on the console', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    const expireTime = new Date(Date.now() + 3_600_000).toISOString()
    const { url, asked } = await serve(({ line }, response) => {
      if (line === 'POST /token') json(response, { access_token: 'of-the-source', expires_in: 3600 })
      else if (line.includes(':generateAccessToken')) json(response, { accessToken: 'of-the-target', expireTime })
      else json(response, { name: 'a' })
    })
    const target = 'fleet@p.iam.gserviceaccount.com'
    const credentials = {
      type: 'impersonated_service_account',
      service_account_impersonation_url: `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${target}:generateAccessToken`,
      endpoint: url,
      source_credentials: { ...workforceUser, token_url: `${url}/token` },
    }
    await clientOf({ endpoint: url }, credentials).getGroup(never)
    const asking = asked.find(({ line }) => line.includes(':generateAccessToken'))!
    expect(asking.line).toBe(`POST /v1/projects/-/serviceAccounts/${target}:generateAccessToken`)
    expect(asking.headers.authorization).toBe('Bearer of-the-source')
    expect(asked.at(-1)!.line).toMatch(/^GET \/compute\/v1\//)
    expect(asked.at(-1)!.headers.authorization).toBe('Bearer of-the-target')
    expect(warn).not.toHaveBeenCalled()
  })

  test.each([
    ['external_account_authorized_user', 'client_id'],
    ['impersonated_service_account', 'service_account_impersonation_url'],
  ])('as %s needs %s', async (type, key) => {
    const message = expect.stringContaining(`expected a text in "${key}"`)
    await expect(clientOf({}, { type }).getGroup(never)).rejects.toMatchObject({ code: 'invalid_config', message })
  })
})

/** Which hosts a client without an endpoint calls, as the proxy of its environment sees it. */
async function hostsOf(client: () => ComputeClient): Promise<readonly string[]> {
  const { url } = await serve((_, response) => void response.destroy())
  await using proxy = await startForwardProxy(Number(new URL(url).port))
  vi.stubEnv('HTTPS_PROXY', `http://${proxy.url}`)
  vi.stubEnv('NO_PROXY', '127.0.0.1')
  await expect(client().getGroup(never)).rejects.toMatchObject({ code: 'transient' })
  return proxy.asked.map(({ line }) => line)
}

describe('without an endpoint', () => {
  test.each([
    ['of the public cloud', {}, 'googleapis.com'],
    ['of another universe', { universe_domain: 'universe.invalid' }, 'universe.invalid'],
  ])('credentials %s are for its Compute Engine', async (_whose, changed, universe) => {
    expect(await hostsOf(() => clientOf({}, { ...account, ...changed }))).toEqual([`CONNECT compute.${universe}:443`])
  })

  test('the account of a machine is for the Compute Engine of the universe that the machine is in', async () => {
    const metadata = await serve(({ line }, response) => {
      response.setHeader('metadata-flavor', 'Google')
      if (line.endsWith('/universe/universe-domain')) return void response.end('universe.invalid')
      json(response, { access_token: 'of-the-machine', expires_in: 3600, token_type: 'Bearer' })
    })
    vi.stubEnv('GCE_METADATA_HOST', new URL(metadata.url).host)
    for (const name of ['HOME', 'CLOUDSDK_CONFIG']) vi.stubEnv(name, '/nonexistent')
    const client = (): ComputeClient => clientOf({ credentials_file: undefined })
    expect(await hostsOf(client)).toEqual(['CONNECT compute.universe.invalid:443'])
  })
})

describe('behind a proxy', () => {
  beforeEach(() => {
    const known = tls.getCACertificates('default')
    tls.setDefaultCACertificates([...known, readFileSync(tlsFile('ca.pem'), 'utf8')])
    onTestFinished(() => tls.setDefaultCACertificates(known))
  })

  async function askedOf(environment: (host: string, proxy: string) => Readonly<Record<string, string>>) {
    const { url, asked } = await serve((_, response) => json(response, { name: 'a' }))
    await using front = await startHttpsFront(() => url)
    const proxy = await startForwardProxy(front.port)
    // It has ended once its tunnels are closed.
    onTestFinished(() => void proxy[Symbol.asyncDispose]())
    const { host, hostname } = new URL(front.origin)
    for (const [name, value] of Object.entries(environment(hostname, proxy.url))) vi.stubEnv(name, value)
    await clientOf({ endpoint: front.origin }).getGroup(never)
    expect(asked).toHaveLength(1)
    return { host, asked: proxy.asked.map(({ line }) => line) }
  }

  test.each(['HTTPS_PROXY', 'https_proxy'])('each call goes through the one that %s names', async (name) => {
    const { host, asked } = await askedOf((_, proxy) => ({ [name]: `http://${proxy}` }))
    expect(asked).toEqual([`CONNECT ${host}`])
  })

  test('a host that NO_PROXY names is reached without it', async () => {
    const { asked } = await askedOf((host, proxy) => ({ HTTPS_PROXY: `http://${proxy}`, NO_PROXY: host }))
    expect(asked).toEqual([])
  })
})
