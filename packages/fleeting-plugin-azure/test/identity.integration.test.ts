// Which cloud a group uses, and as whom: `cloud`, `client_id` and `tenant_id`.
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { authorityRoute, selfSignedCertificate } from '@runner-core/cloud-fakes/internals'
import { startForwardProxy } from '@runner-core/testkit/http/forward-proxy'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { AzureClient } from '../src/client.ts'
import { parseConfig } from '../src/config.ts'

const { signal } = new AbortController()
const nobody = { tenantId: '', clientId: '', clientSecret: '' }
const principal = { AZURE_TENANT_ID: 'own-tenant', AZURE_CLIENT_ID: 'principal', AZURE_CLIENT_SECRET: 'secret' }

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (/^(AZURE|IDENTITY|MSI)_/.test(name)) vi.stubEnv(name, undefined)
})
afterEach(() => void vi.unstubAllEnvs())

function stubEnvironment(environment: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
}

function temporaryFile(name: string, content: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'azure-identity-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, name), content)
  return join(directory, name)
}

interface AzureAtLoopback {
  readonly origin: string
  readonly caFile: string
  /** Of whom tokens were asked for, and by what they were told apart. */
  readonly logins: { readonly host: string; readonly tenant: string; readonly form: Readonly<Record<string, string>> }[]
  /** Whose token each request had, and where it went. */
  readonly requests: { readonly host: string; readonly token: string | undefined }[]
}

/** A Resource Manager without machines and an authority that believes everybody, at 127.0.0.1 and under `names`. */
async function startAzure(names: readonly string[] = []): Promise<AzureAtLoopback> {
  const tls = await selfSignedCertificate(names)
  const logins: AzureAtLoopback['logins'] = []
  const requests: AzureAtLoopback['requests'] = []
  const reply = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', headers } = request
    const url = new URL(request.url!, `https://${headers.host}`)
    const body = await text(request)
    const authority = authorityRoute({ method, url, headers: {}, body }, nobody)
    if (method === 'GET' && authority !== undefined) {
      const discovered = await authority.act()
      response.writeHead(discovered.status, discovered.headers).end(discovered.body)
    } else if (method === 'POST') {
      const form = Object.fromEntries(new URLSearchParams(body))
      const tenant = url.pathname.split('/')[1]!
      logins.push({ host: url.host, tenant, form })
      const token = { token_type: 'Bearer', expires_in: 3599, access_token: `${form['client_id']} of ${tenant}` }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(token))
    } else {
      requests.push({ host: url.host, token: headers.authorization })
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"value":[]}')
    }
  }
  const server = createServer(tls, (request, response) => void reply(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, caFile: temporaryFile('ca.pem', tls.cert), logins, requests }
}

/**
 * What a computer of Azure gives the programs on it: a token of each of its managed identities, which are all but
 * `unknown`. The identity library looks for its address once in a process.
 */
const managedIdentities = createHttpServer((request, response) => {
  const { searchParams } = new URL(request.url!, 'http://localhost')
  const clientId = searchParams.get('client_id')
  const answer = (status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  if (clientId === 'unknown') return answer(400, { error: 'invalid_request', error_description: 'Identity not found' })
  const expiresOn = Math.floor(Date.now() / 1000) + 3600
  const resource = searchParams.get('resource')
  answer(200, {
    access_token: `managed ${clientId} for ${resource}`,
    expires_on: expiresOn,
    resource,
    token_type: 'Bearer',
  })
})
beforeAll(async () => {
  managedIdentities.listen(0, '127.0.0.1')
  await once(managedIdentities, 'listening')
})
afterAll(() => {
  managedIdentities.closeAllConnections()
  managedIdentities.close()
})

const onAzure = () => ({
  IDENTITY_ENDPOINT: `http://127.0.0.1:${(managedIdentities.address() as AddressInfo).port}/token`,
  IDENTITY_HEADER: 'header',
})

function clientOf(azure: AzureAtLoopback, config: object): AzureClient {
  const least = { name: 'set', subscription_id: 'subscription', resource_group_name: 'group', ca_file: azure.caFile }
  return new AzureClient(parseConfig({ ...least, ...config }))
}

describe('a cloud', () => {
  test.each([
    ['public', 'management.azure.com', 'login.microsoftonline.com'],
    ['government', 'management.usgovcloudapi.net', 'login.microsoftonline.us'],
    // Another name of login.chinacloudapi.cn, which the identity library prefers.
    ['china', 'management.chinacloudapi.cn', 'login.partner.microsoftonline.cn'],
  ])('%s is asked at %s, with a token for it of %s', async (cloud, endpoint, authority) => {
    const azure = await startAzure([endpoint, authority])
    const proxy = await startForwardProxy(Number(new URL(azure.origin).port))
    onTestFinished(() => void proxy[Symbol.asyncDispose]())
    stubEnvironment({ ...principal, HTTPS_PROXY: `http://${proxy.url}` })
    expect(await clientOf(azure, { cloud }).listMachines('Uniform', {}, signal)).toEqual([])
    expect(azure.requests).toEqual([{ host: endpoint, token: 'Bearer principal of own-tenant' }])
    expect(azure.logins).toMatchObject([
      { host: authority, form: { scope: expect.stringContaining(`https://${endpoint}/.default`) } },
    ])
    expect(new Set(proxy.asked.map(({ line }) => line))).toEqual(
      new Set([`CONNECT ${authority}:443`, `CONNECT ${endpoint}:443`]),
    )
  })
})

describe('an identity of its own', () => {
  const own = ({ origin }: AzureAtLoopback) => ({ endpoint: origin, authority_host: origin })
  const tokensOf = async (azure: AzureAtLoopback, ...configs: readonly object[]) => {
    for (const config of configs)
      await clientOf(azure, { ...own(azure), ...config }).listMachines('Uniform', {}, signal)
    return azure.requests.map(({ token }) => token)
  }

  test('has each group that names a managed one by client_id, whatever the environment logs in as', async () => {
    const azure = await startAzure()
    stubEnvironment({ ...principal, ...onAzure() })
    expect(await tokensOf(azure, { client_id: 'one' }, { client_id: 'other' }, {})).toEqual([
      `Bearer managed one for ${azure.origin}`,
      `Bearer managed other for ${azure.origin}`,
      'Bearer principal of own-tenant',
    ])
  })

  test('has each group that names a workload identity by client_id and tenant_id', async () => {
    const azure = await startAzure()
    stubEnvironment({ ...principal, AZURE_FEDERATED_TOKEN_FILE: temporaryFile('token', 'assertion') })
    const configs = [{ client_id: 'one' }, { client_id: 'other', tenant_id: 'other-tenant' }]
    expect(await tokensOf(azure, ...configs)).toEqual(['Bearer one of own-tenant', 'Bearer other of other-tenant'])
    expect(azure.logins.map(({ form }) => form['client_assertion'])).toEqual(['assertion', 'assertion'])
  })

  test('is the service principal of the environment where client_id names that one', async () => {
    const azure = await startAzure()
    stubEnvironment(principal)
    expect(await tokensOf(azure, { client_id: 'principal' })).toEqual(['Bearer principal of own-tenant'])
    expect(azure.logins[0]!.form['client_secret']).toBe('secret')
  })

  test('is the service principal of the environment in the tenant of the group', async () => {
    const azure = await startAzure()
    stubEnvironment(principal)
    expect(
      await tokensOf(azure, {}, { tenant_id: 'other-tenant' }, { client_id: 'principal', tenant_id: 'third.tenant' }),
    ).toEqual([
      'Bearer principal of own-tenant',
      'Bearer principal of other-tenant',
      'Bearer principal of third.tenant',
    ])
  })

  test('that cannot log in is an auth error, and nobody else is logged in instead', async () => {
    const azure = await startAzure()
    stubEnvironment({ ...principal, ...onAzure() })
    const client = clientOf(azure, { ...own(azure), client_id: 'unknown' })
    await expect(client.listMachines('Uniform', {}, signal)).rejects.toMatchObject({
      code: 'auth',
      message: expect.stringMatching(/cannot log in: .*Identity not found/),
    })
    expect([azure.logins, azure.requests]).toEqual([[], []])
  })
})
