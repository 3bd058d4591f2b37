import { createHash } from 'node:crypto'
import { ManualClock } from '@runner-core/fleeting/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findPluginLayer, readReference } from './artifact.ts'
import { InstallError } from './install-error.ts'
import { RegistryClient } from './registry-client.ts'

const host = { os: 'linux', architecture: 'amd64' }

/** The layer that is found where every path is answered by `document`. */
function find(document: (path: string) => unknown, tag = ''): ReturnType<typeof findPluginLayer> {
  const client = new RegistryClient({
    registry: 'registry.example',
    repository: 'acme/moon',
    credentials: undefined,
    plainHttp: false,
    exchange: async ({ url }) => {
      const body = Buffer.from(JSON.stringify(document(url.pathname)) ?? '')
      const bytes = (async function* () {
        yield body
      })()
      return { status: 200, headers: {}, body: Object.assign(bytes, { destroy: () => {} }) }
    },
    clock: new ManualClock(),
    random: () => 0,
    signal: new AbortController().signal,
  })
  return findPluginLayer(client, readReference(`registry.example/acme/moon${tag}`), host)
}

const digestOf = (value: unknown): string =>
  `sha256:${createHash('sha256').update(JSON.stringify(value)).digest('hex')}`
const layer = digestOf('layer')
const manifest = (mark: unknown): object => ({
  layers: [
    { digest: digestOf('base'), size: 3 },
    { digest: layer, size: 7, annotations: { 'com.gitlab.fleeting.layer': mark } },
  ],
})
const indexOf = (of: object): object => ({ manifests: [{ digest: digestOf(of), size: 1, platform: host }] })

test('the marked layer, of the manifest for this system', async () => {
  const good = manifest('1.2.3')
  expect(await find((path) => (path.endsWith('latest') ? indexOf(good) : good))).toEqual({
    version: '1.2.3',
    platform: host,
    digest: layer,
    size: 7,
  })
})

test('an artifact that calls itself another version than its tag is refused', async () => {
  const other = manifest('99.0.0')
  const found = find((path) => (path.endsWith('1.5') ? indexOf(other) : other), ':1.5')
  await expect(found).rejects.toMatchObject({
    code: 'wrong_version',
    message: 'registry.example/acme/moon:1.5 calls itself 99.0.0',
  })
})

test.each([['../../evil'], ['1.2'], ['1.2.3/..'], ['latest'], [''], [7], [null], [{}]])(
  'a mark %j is no version',
  async (mark) => {
    const bad = manifest(mark)
    await expect(find((path) => (path.endsWith('latest') ? indexOf(bad) : bad))).rejects.toMatchObject({
      code: 'not_a_plugin',
    })
  },
)

test('whatever the documents are, it is an error of ours, or a layer that can be checked', async () => {
  const descriptor = fc.record(
    {
      digest: fc.oneof(fc.constant(layer), fc.string(), fc.integer()),
      size: fc.oneof(fc.nat(), fc.constant(-1), fc.double(), fc.string()),
      platform: fc.oneof(fc.constant(host), fc.jsonValue()),
      annotations: fc.oneof(fc.constant({ 'com.gitlab.fleeting.layer': '1.0.0' }), fc.jsonValue()),
    },
    { requiredKeys: [] },
  )
  const list = fc.oneof(fc.array(fc.oneof(descriptor, fc.jsonValue()), { maxLength: 4 }), fc.jsonValue())
  const document = fc.oneof(
    fc.record(
      {
        manifests: list,
        layers: list,
        config: fc.oneof(descriptor, fc.jsonValue()),
        mediaType: fc.jsonValue(),
        os: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
    fc.jsonValue(),
  )
  await fc.assert(
    fc.asyncProperty(document, async (answer) => {
      try {
        expect(await find(() => answer)).toMatchObject({ version: '1.0.0', digest: layer })
      } catch (error) {
        if (!(error instanceof InstallError)) throw error
      }
    }),
    { numRuns: 500 },
  )
})
