// The plugin behind a proxy, as machines without a way to the internet of their own have it.
import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import { FakeAws } from '@runner-core/cloud-fakes'
import { systemClock as clock, systemRandom as random, silentLogger } from '@runner-core/fleeting'
import { startForwardProxy } from '@runner-core/testkit/http/forward-proxy'
import { startHttpsFront, tlsFile } from '@runner-core/testkit/http/https-front'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

let cleanUp: AsyncDisposableStack
beforeEach(() => {
  cleanUp = new AsyncDisposableStack()
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
})
afterEach(async () => {
  await cleanUp.disposeAsync()
  vi.unstubAllEnvs()
})

async function listThrough(environment: (host: string, proxy: string) => Readonly<Record<string, string>>) {
  const fake = cleanUp.use(await FakeAws.start({ clock }))
  const front = cleanUp.use(await startHttpsFront(() => fake.url))
  const proxy = cleanUp.use(await startForwardProxy(front.port))
  const { host } = new URL(front.origin)
  for (const [name, value] of Object.entries(environment(host, proxy.url))) vi.stubEnv(name, value)
  const context = { fleet: 'test', logger: silentLogger, clock, random, connector: {} }
  const config = { name: 'runners', region: 'eu-west-1', endpoint: front.origin }
  const group = createInstanceGroup(config, context)
  const signal = AbortSignal.timeout(20_000)
  await group.init(signal)
  expect(await group.list(signal)).toEqual([])
  await group.shutdown?.()
  return { host, asked: proxy.asked.map(({ line }) => line) }
}

beforeEach(() => {
  const known = tls.getCACertificates('default')
  tls.setDefaultCACertificates([...known, readFileSync(tlsFile('ca.pem'), 'utf8')])
  cleanUp.defer(() => tls.setDefaultCACertificates(known))
})

test.each(['HTTPS_PROXY', 'https_proxy'])('each call goes through the proxy that %s names', async (name) => {
  const { host, asked } = await listThrough((_, proxy) => ({ [name]: `http://${proxy}` }))
  expect(asked.length).toBeGreaterThan(0)
  expect(new Set(asked)).toEqual(new Set([`CONNECT ${host}`]))
})

test('a host that NO_PROXY names is reached without the proxy', async () => {
  const { asked } = await listThrough((host, proxy) => ({ HTTPS_PROXY: `http://${proxy}`, NO_PROXY: host }))
  expect(asked).toEqual([])
})
