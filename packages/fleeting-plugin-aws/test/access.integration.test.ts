// How the plugin finds AWS, and how it is let into machines: on the fake, without machines behind it.
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Exchange, FakeAws, type FakeAwsOptions } from '@runner-core/cloud-fakes'
import {
  type ConnectorConfig,
  systemClock as clock,
  type InstanceGroup,
  type PluginContext,
  systemRandom as random,
  silentLogger,
} from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const { signal } = new AbortController()
let cleanUp: AsyncDisposableStack
let exchanges: Exchange[]
beforeEach(() => {
  cleanUp = new AsyncDisposableStack()
  exchanges = []
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
  vi.stubEnv('HOME', '/nonexistent')
})
afterEach(async () => {
  await cleanUp.disposeAsync()
  vi.unstubAllEnvs()
})

async function startFake(options: Partial<FakeAwsOptions> = {}): Promise<FakeAws> {
  return cleanUp.use(await FakeAws.start({ clock, onExchange: (exchange) => exchanges.push(exchange), ...options }))
}

function makeGroup(
  config: Readonly<Record<string, unknown>>,
  connector: ConnectorConfig = {},
  more: Partial<PluginContext> = {},
): InstanceGroup {
  const group = createInstanceGroup(
    { name: 'runners', ...config },
    { fleet: 'test', connector, logger: silentLogger, clock, random, ...more },
  )
  cleanUp.defer(() => group.shutdown())
  return group
}

const operations = (): readonly string[] => exchanges.map(({ operation }) => operation)
/** The access key and the region that requests were signed for. */
const signed = (): ReadonlySet<string | undefined> =>
  new Set(
    exchanges.map(({ request }) =>
      /Credential=([^/]+\/\d+\/[^/]+)/.exec(String(request.headers.authorization))?.[1]?.replace(/\/\d+\//, ' '),
    ),
  )

describe('AWS is found', () => {
  test('by the environment alone, as every SDK does', async () => {
    const fake = await startFake()
    vi.stubEnv('AWS_ENDPOINT_URL', fake.url)
    vi.stubEnv('AWS_REGION', 'eu-central-1')
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'FROM-ENVIRONMENT')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
    expect((await makeGroup({}).init(signal)).id).toBe('aws/eu-central-1/runners')
    expect(signed()).toEqual(new Set(['FROM-ENVIRONMENT eu-central-1']))
  })

  test('by an endpoint for one service in the environment', async () => {
    const [fake, other] = [await startFake(), await startFake()]
    vi.stubEnv('AWS_ENDPOINT_URL', other.url)
    vi.stubEnv('AWS_ENDPOINT_URL_AUTO_SCALING', fake.url)
    vi.stubEnv('AWS_REGION', 'eu-west-1')
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
    await makeGroup({}).init(signal)
    expect(fake.controls.calls!().length).toBeGreaterThan(0)
    expect(other.controls.calls!()).toEqual([])
  })

  test('by the keys profile, config_file and credentials_file', async () => {
    const fake = await startFake()
    const folder = mkdtempSync(join(tmpdir(), 'aws-files-'))
    cleanUp.defer(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'config'), '[profile ci]\nregion = ap-south-1\n[profile other]\nregion = us-east-1\n')
    const keys = (profile: string) =>
      `[${profile}]\naws_access_key_id = KEY-OF-${profile}\naws_secret_access_key = secret\n`
    writeFileSync(join(folder, 'credentials'), keys('ci') + keys('other'))
    const files = { config_file: join(folder, 'config'), credentials_file: join(folder, 'credentials') }
    expect((await makeGroup({ ...files, profile: 'ci', endpoint: fake.url }).init(signal)).id).toBe(
      'aws/ap-south-1/runners',
    )
    expect(signed()).toEqual(new Set(['KEY-OF-ci ap-south-1']))
  })

  test('not without a region, which is told', async () => {
    const fake = await startFake()
    await expect(makeGroup({ endpoint: fake.url }).init(signal)).rejects.toMatchObject({ code: 'invalid_config' })
  })

  test('not without credentials, which is told', async () => {
    const fake = await startFake()
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    await expect(makeGroup({ endpoint: fake.url, region: 'eu-west-1' }).init(signal)).rejects.toMatchObject({
      code: 'auth',
    })
  })
})

describe('machines let us in', () => {
  async function launched(
    options: Partial<FakeAwsOptions>,
    config: Readonly<Record<string, unknown>>,
    connector: ConnectorConfig = {},
    more: Partial<PluginContext> = {},
  ): Promise<{ fake: FakeAws; group: InstanceGroup; id: string }> {
    const fake = await startFake(options)
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
    const group = makeGroup({ endpoint: fake.url, region: 'eu-west-1', ...config }, connector, more)
    await group.init(signal)
    await group.increase({ count: 1, launchToken: 'one' }, signal)
    const [row] = await group.list(signal)
    return { fake, group, id: row!.id }
  }

  test('instance-connect: a key made here is pushed for each dial, and used up in a minute', async () => {
    const { fake, group, id } = await launched({}, {})
    const before = clock.wallTime()
    const first = await group.connectInfo(id, signal)
    const second = await group.connectInfo(id, signal)
    expect(fake.pushedKeys).toHaveLength(2)
    expect(fake.pushedKeys[0]).toMatchObject({ instanceId: id, username: 'ec2-user' })
    expect(fake.pushedKeys[0]!.publicKey).toMatch(/^ssh-ed25519 /)
    expect(first.privateKey).toBe(second.privateKey)
    expect(first.expiresAt).toBeGreaterThan(before)
    expect(first.expiresAt! - clock.wallTime()).toBeLessThan(60_000)
    expect(first.hostKeys).toMatchObject([expect.stringMatching(/^ssh-ed25519 /)])
    expect(operations().filter((operation) => operation === 'GetConsoleOutput')).toHaveLength(1)
  })

  test('static: the key of the connector, and nothing is pushed', async () => {
    const { privateKey } = await newKeyPair()
    const { fake, group, id } = await launched({}, {}, { privateKey, useStaticCredentials: true, username: 'admin' })
    expect(await group.connectInfo(id, signal)).toMatchObject({ privateKey, username: 'admin' })
    expect(fake.pushedKeys).toEqual([])
  })

  test('static without anything is refused at the start', async () => {
    const fake = await startFake()
    const group = makeGroup({ endpoint: fake.url, region: 'eu-west-1', credentials: 'static' })
    await expect(group.init(signal)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('connector_config'),
    })
  })

  test("user-data: the fleet's key, once the launch template lets it in; until then a finding says what to add", async () => {
    const fleetKey = await newKeyPair()
    const { fake, group, id } = await launched({}, { credentials: 'user-data' }, {}, { fleetKey })
    const findings = async () =>
      (
        await makeGroup({ endpoint: fake.url, region: 'eu-west-1', credentials: 'user-data' }, {}, { fleetKey }).init(
          signal,
        )
      ).findings
    expect(await findings()).toMatchObject([
      { code: 'key_not_in_user_data', fix: expect.stringContaining(fleetKey.publicKey) },
    ])
    fake.settings.userData = `#cloud-config\nssh_authorized_keys: [${fleetKey.publicKey}]\n`
    expect(await findings()).toEqual([])
    expect(await group.connectInfo(id, signal)).toMatchObject({ privateKey: fleetKey.privateKey })
    expect(fake.pushedKeys).toEqual([])
  })

  test('user-data without a key that lasts is refused at the start', async () => {
    const fake = await startFake()
    const group = makeGroup({ endpoint: fake.url, region: 'eu-west-1', credentials: 'user-data' })
    await expect(group.init(signal)).rejects.toMatchObject({ code: 'invalid_config' })
  })

  test('windows-password: not ready until Windows has made it, then decrypted and remembered', async () => {
    const publicKeyEncoding = { type: 'spki', format: 'pem' } as const
    const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding,
      privateKeyEncoding,
    })
    const config = { credentials: 'windows-password' }
    const slow = { windows: { password: 'S3cret&', publicKey }, consoleMs: 3_600_000 }
    const early = await launched({ facts: slow }, config, { privateKey })
    await expect(early.group.connectInfo(early.id, signal)).rejects.toMatchObject({
      code: 'not_ready',
      instanceId: early.id,
    })

    const { group, id } = await launched({ facts: { windows: slow.windows } }, config, { privateKey })
    exchanges.length = 0
    const info = { username: 'Administrator', password: 'S3cret&', os: 'windows' }
    expect(await group.connectInfo(id, signal)).toMatchObject(info)
    expect(await group.connectInfo(id, signal)).toMatchObject(info)
    expect(operations().filter((operation) => operation === 'GetPasswordData')).toHaveLength(1)
  })

  test('with strict host keys a machine is not ready until its console shows them', async () => {
    const late = await launched({ facts: { consoleMs: 3_600_000 } }, {}, { hostKeyChecking: 'strict' })
    await expect(late.group.connectInfo(late.id, signal)).rejects.toMatchObject({ code: 'not_ready' })
    const { group, id } = await launched({}, {}, { hostKeyChecking: 'strict' })
    expect((await group.connectInfo(id, signal)).hostKeys).toHaveLength(1)
  })

  test('a console without host keys is not read for ever when they are pinned, and never when they are not checked', async () => {
    const { group, id } = await launched({ facts: { consoleMs: 3_600_000 } }, {})
    for (let time = 0; time < 8; time += 1) await group.connectInfo(id, signal)
    expect(operations().filter((operation) => operation === 'GetConsoleOutput')).toHaveLength(5)
    exchanges.length = 0
    const unchecked = await launched({}, {}, { hostKeyChecking: 'off' })
    await unchecked.group.connectInfo(unchecked.id, signal)
    expect(operations()).not.toContain('GetConsoleOutput')
  })

  test('addresses, port and architecture come from the cloud and the connector', async () => {
    const { group, id } = await launched(
      { facts: { publicAddresses: true, architecture: 'arm64' } },
      {},
      { protocolPort: 2222 },
    )
    const info = await group.connectInfo(id, signal)
    expect(info).toMatchObject({ port: 2222, arch: 'arm64', os: 'linux', internalAddress: info.externalAddress })
  })
})
