import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { ManualClock } from '@runner-core/fleeting/testing'
import type { ArtifactDownload } from '@runner-core/job'
import { startForwardProxy } from '@runner-core/testkit/http/forward-proxy'
import { tlsFile } from '@runner-core/testkit/http/https-front'
import { afterEach, expect, it } from 'vitest'
import { ArtifactBucket, Coordinator } from '../../testing/index.ts'
import { JobApiClient, type JobApiClientOptions } from '../job-api-client.ts'
import { describeRunner } from '../runner-info.ts'

const info = describeRunner({ version: '1.2.3', executor: 'instance', shell: 'bash', features: [] })
const bytes = Buffer.alloc(300_000, 'artifacts')
const never = new AbortController().signal
let cleanUp = new AsyncDisposableStack()
afterEach(async () => {
  await cleanUp.disposeAsync()
  cleanUp = new AsyncDisposableStack()
})

function clientOf(url: string, options: Partial<JobApiClientOptions> = {}): JobApiClient {
  const client = new JobApiClient({
    url,
    token: 'runner-token',
    systemId: 's_0123456789ab',
    info,
    environment: {},
    random: () => 0,
    ...options,
  })
  cleanUp.defer(() => client.close())
  return client
}

async function got(
  client: JobApiClient,
  job: { readonly id: number; readonly token: string },
  how: Partial<ArtifactDownload> = {},
): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of await client.downloadArtifacts(job, { mayBeElsewhere: true, signal: never, ...how }))
    pieces.push(piece)
  return Buffer.concat(pieces)
}

/** A server that answers as it is told; its requests' paths and headers are noted. */
async function serve(listener: RequestListener, tls?: object) {
  const received: { readonly path: string; readonly headers: Readonly<Record<string, unknown>> }[] = []
  const listen: RequestListener = (request, response) => {
    received.push({ path: request.url ?? '', headers: request.headers })
    listener(request, response)
  }
  const server = tls === undefined ? createServer(listen) : createTlsServer(tls, listen)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
  }
}

async function coordinatorWithArtifacts(options: { readonly isElsewhere: boolean }) {
  const bucket = cleanUp.use(await ArtifactBucket.start(() => coordinator.jobs))
  const coordinator: Coordinator = cleanUp.use(
    await Coordinator.start(options.isElsewhere ? { artifactsElsewhere: bucket.url } : {}),
  )
  const job = coordinator.enqueue({ script: ['true'] })
  job.artifacts = { filename: 'artifacts.zip', bytes }
  return { bucket, coordinator, job, credentials: { id: job.id, token: job.dependencyToken } }
}

it('the coordinator sends artifacts to who shows the token of the job that left them', async () => {
  const { coordinator, credentials } = await coordinatorWithArtifacts({ isElsewhere: false })
  expect((await got(clientOf(coordinator.url), credentials)).equals(bytes)).toBe(true)
  expect(coordinator.violations).toEqual([])
})

it('where they are elsewhere, nobody there sees a token', async () => {
  const { bucket, coordinator, credentials } = await coordinatorWithArtifacts({ isElsewhere: true })
  expect((await got(clientOf(coordinator.url), credentials)).equals(bytes)).toBe(true)
  expect(bucket.requests).toEqual(['/1/artifacts.zip?X-Amz-Signature=0123456789abcdef'])
  expect(bucket.leaks).toEqual([])
})

it('only who may be sent elsewhere is', async () => {
  const { bucket, coordinator, credentials } = await coordinatorWithArtifacts({ isElsewhere: true })
  expect((await got(clientOf(coordinator.url), credentials, { mayBeElsewhere: false })).equals(bytes)).toBe(true)
  expect(bucket.requests).toEqual([])
})

it.each([
  [401, 'unauthorized'],
  [403, 'forbidden'],
  [404, 'not_found'],
  [400, 'failed'],
  [204, 'failed'],
] as const)('%i is %s, in the words of the server', async (status, code) => {
  const { url } = await serve((_, response) =>
    response.writeHead(status).end(JSON.stringify({ message: `${status} Why` })),
  )
  await expect(got(clientOf(url), { id: 1, token: 't' })).rejects.toMatchObject({
    name: 'ArtifactDownloadError',
    code,
    message: expect.stringMatching(status === 204 ? /answered 204$/ : `answered ${status} ${status} Why`),
  })
})

it('a foreign token is forbidden', async () => {
  const { coordinator, job } = await coordinatorWithArtifacts({ isElsewhere: false })
  await expect(got(clientOf(coordinator.url), { id: job.id, token: 'other' })).rejects.toMatchObject({
    code: 'forbidden',
  })
})

it('signed URLs and what buckets say are not repeated', async () => {
  const bucket = await serve((request, response) => response.writeHead(400).end(`<Error>${request.url}</Error>`))
  const { url } = await serve((_, response) =>
    response.writeHead(302, { location: `${bucket.url}/x?sig=hushhush` }).end(),
  )
  const error = await got(clientOf(url), { id: 1, token: 't' }).catch((thrown: Error) => thrown)
  expect(error).toMatchObject({ code: 'failed', message: `${new URL(bucket.url).host} answered 400` })
})

it('what is later is waited for as asked, and then there', async () => {
  const clock = new ManualClock()
  let asked = 0
  const { url } = await serve((_, response) => {
    asked += 1
    if (asked === 1) response.writeHead(503, { 'retry-after': '30' }).end('later')
    else response.end(bytes)
  })
  const download = got(clientOf(url, { clock }), { id: 1, token: 't' })
  await expect.poll(() => clock.pendingTimers).toBe(1)
  await clock.advance(29_000)
  expect(asked).toBe(1)
  await clock.advance(1000)
  expect((await download).equals(bytes)).toBe(true)
})

it('redirects within the coordinator keep the token, also relative ones', async () => {
  const { url, received } = await serve((request, response) => {
    if (request.url?.startsWith('/elsewhere')) response.end(bytes)
    else response.writeHead(307, { location: '/elsewhere?a=b' }).end()
  })
  await got(clientOf(url), { id: 5, token: 'dependency-token' })
  expect(received.map(({ path, headers }) => [path, headers['job-token']])).toEqual([
    ['/api/v4/jobs/5/artifacts?direct_download=true', 'dependency-token'],
    ['/elsewhere?a=b', 'dependency-token'],
  ])
})

it.each([
  ['in a circle', '/api/v4/jobs/1/artifacts', /more than 10 times/],
  ['to nowhere', '', /answered 302/],
  ['to a file', 'file:///etc/passwd', /answered 302/],
  ['to no URL', 'http://[', /answered 302/],
])('redirects %s fail', async (_, location, message) => {
  const { url } = await serve((__, response) => response.writeHead(302, location === '' ? {} : { location }).end())
  await expect(got(clientOf(url), { id: 1, token: 't' })).rejects.toMatchObject({
    code: 'failed',
    message: expect.stringMatching(message),
  })
})

it('an answer that breaks off is no answer', async () => {
  const { url } = await serve((_, response) => {
    response.writeHead(200, { 'content-length': '1000000' })
    response.write(bytes, () => response.destroy())
  })
  await expect(got(clientOf(url), { id: 1, token: 't' })).rejects.toMatchObject({
    name: 'ArtifactDownloadError',
    code: 'failed',
  })
})

it('nobody there is no answer', async () => {
  await expect(got(clientOf('http://127.0.0.1:1'), { id: 1, token: 't' })).rejects.toMatchObject({ code: 'failed' })
})

it('whoever stops it hears their own reason, before the answer and within it', async () => {
  const { url } = await serve((request, response) => {
    if (request.url?.includes('/2/')) response.writeHead(200).write('begun')
  })
  for (const id of [1, 2]) {
    const stop = new AbortController()
    const reason = new Error('canceled')
    const download = got(clientOf(url), { id, token: 't' }, { signal: stop.signal })
    setImmediate(() => stop.abort(reason))
    await expect(download).rejects.toBe(reason)
  }
})

it('elsewhere the same authorities are trusted, and our certificate is not shown', async () => {
  const pem = (name: string): Buffer => readFileSync(tlsFile(name))
  const tls = {
    key: pem('server.key'),
    cert: pem('server.pem'),
    ca: pem('ca.pem'),
    requestCert: true,
    rejectUnauthorized: false,
  }
  const shown: boolean[] = []
  const note = (socket: unknown): number =>
    shown.push(Object.keys((socket as TLSSocket).getPeerCertificate()).length > 0)
  const bucket = await serve((request, response) => {
    note(request.socket)
    response.end(bytes)
  }, tls)
  const { url } = await serve((request, response) => {
    note(request.socket)
    response.writeHead(302, { location: `${bucket.url}/x` }).end()
  }, tls)
  const client = clientOf(url, {
    tlsCaFile: tlsFile('ca.pem'),
    tlsCertFile: tlsFile('client.pem'),
    tlsKeyFile: tlsFile('client.key'),
  })
  expect((await got(client, { id: 1, token: 't' })).equals(bytes)).toBe(true)
  expect(shown).toEqual([true, false])
})

it('the way elsewhere goes through the proxy, too', async () => {
  const { url, received } = await serve((request, response) => {
    if (request.headers.host === 'bucket.invalid:81') response.end(bytes)
    else response.writeHead(302, { location: 'http://bucket.invalid:81/x' }).end()
  })
  const proxy = cleanUp.use(await startForwardProxy(Number(new URL(url).port)))
  const client = clientOf('http://gitlab.invalid', { environment: { HTTP_PROXY: proxy.url } })
  expect((await got(client, { id: 1, token: 'dependency-token' })).equals(bytes)).toBe(true)
  expect(proxy.asked.map(({ line }) => line)).toEqual([
    'GET http://gitlab.invalid/api/v4/jobs/1/artifacts?direct_download=true',
    'GET http://bucket.invalid:81/x',
  ])
  expect(received.map(({ headers }) => headers['job-token'])).toEqual(['dependency-token', undefined])
})

it('a redirect to where a cloud answers its instances is refused, and what is there is not asked', async () => {
  const { url } = await serve((_, response) =>
    response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end(),
  )
  await expect(got(clientOf(url), { id: 1, token: 't' })).rejects.toMatchObject({
    name: 'ArtifactDownloadError',
    code: 'failed',
    message: expect.stringContaining('the redirect to 169.254.169.254 is not followed'),
  })
})

it('behind a proxy a public coordinator does not lead to a private address', async () => {
  const { url } = await serve((request, response) => {
    if (request.url?.startsWith('http://10.') || request.headers.host?.startsWith('10.')) response.end(bytes)
    else response.writeHead(302, { location: 'http://10.0.0.1/x' }).end()
  })
  const proxy = cleanUp.use(await startForwardProxy(Number(new URL(url).port)))
  const options = { environment: { HTTP_PROXY: proxy.url } }
  const refused = got(clientOf('http://gitlab.invalid', options), { id: 1, token: 't' })
  await expect(refused).rejects.toMatchObject({ message: expect.stringContaining('artifact_hosts = ["10.0.0.1"]') })
  const allowed = await got(clientOf('http://gitlab.invalid', { ...options, artifactHosts: ['10.0.0.1'] }), {
    id: 1,
    token: 't',
  })
  expect(allowed.equals(bytes)).toBe(true)
})
