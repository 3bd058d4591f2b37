import { generateKeyPairSync, verify } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Exchange, FakeGceOptions } from '@runner-core/cloud-fakes'
import { GroupError, type IncreaseResult, type InstanceGroup } from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type FakeCloud, startFakeCloud } from './fake-cloud.ts'

const never = new AbortController().signal
const launchToken = 't0ken'

interface World {
  readonly clock: ManualClock
  readonly cloud: FakeCloud
  readonly exchanges: readonly Exchange[]
  /** The bodies of the requests of an operation. */
  readonly bodies: (operation: string) => readonly unknown[]
}

async function start(options: Partial<FakeGceOptions> = {}): Promise<World> {
  const clock = new ManualClock()
  const exchanges: Exchange[] = []
  const { onExchange } = options
  const cloud = await startFakeCloud({
    clock,
    ...options,
    onExchange(exchange) {
      exchanges.push(exchange)
      onExchange?.(exchange)
    },
  })
  onTestFinished(() => cloud[Symbol.asyncDispose]())
  const of = (operation: string): readonly Exchange[] =>
    exchanges.filter((exchange) => exchange.operation === operation)
  return {
    clock,
    cloud,
    exchanges,
    bodies: (operation) => of(operation).map(({ request }) => JSON.parse(request.body)),
  }
}

async function initialised(group: InstanceGroup): Promise<InstanceGroup> {
  await group.init(never)
  return group
}

/** What a promise comes to that needs this time to pass while so many timers wait for it. */
async function passing<Result>(
  clock: ManualClock,
  timers: number,
  ms: number,
  promise: Promise<Result>,
): Promise<Result> {
  await vi.waitFor(() => expect(clock.pendingTimers).toBe(timers), { timeout: 10_000, interval: 2 })
  await clock.advance(ms)
  return promise
}

describe.each([
  ['a zone', {}, 'instanceGroupManagers', ['europe-west1-b', 'europe-west1-b', 'europe-west1-b']],
  [
    'a region',
    { region: 'europe-west1' },
    'regionInstanceGroupManagers',
    ['europe-west1-b', 'europe-west1-c', 'europe-west1-d'],
  ],
])('a group in %s', (_where, options, groups, zones) => {
  it('makes machines by names of its own, with the key in their metadata from the start', async () => {
    const { cloud, exchanges, bodies } = await start(options)
    const group = await initialised(cloud.makeGroup())
    const ids = [0, 1, 2].map((index) => `conformance-${launchToken}-${index}`)
    expect(await group.increase({ count: 3, launchToken }, never)).toEqual({ requested: 3, ids, errors: [] })
    const metadata = { 'ssh-keys': `runner:${cloud.keyPair.publicKey} runner` }
    expect(bodies(`${groups}.createInstances`)).toEqual([
      { instances: ids.map((name) => ({ name, preservedState: { metadata } })) },
    ])
    const { request } = exchanges.find(({ operation }) => operation.endsWith('createInstances'))!
    expect(request.url.searchParams.get('requestId')).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/,
    )

    expect(await group.list(never)).toEqual(ids.map((id) => ({ id, state: 'running', detail: 'RUNNING', launchToken })))
    const info = await group.connectInfo(ids[0]!, never)
    const address = expect.stringMatching(/^127\./)
    const { privateKey } = cloud.keyPair
    const reached = { internalAddress: address, externalAddress: address, username: 'runner', privateKey, hostKeys: [] }
    expect(info).toEqual({ instanceId: ids[0], protocol: 'ssh', ...reached })
    expect(bodies('instances.setMetadata')).toEqual([])
  })

  it('deletes by URL exactly those that are named, and the size falls with them', async () => {
    const { cloud, bodies } = await start(options)
    const group = await initialised(cloud.makeGroup())
    const { ids = [] } = await group.increase({ count: 3, launchToken }, never)
    await group.list(never)
    expect(await group.decrease([ids[0]!, ids[2]!, 'nobody'], never)).toEqual({
      accepted: [ids[0], ids[2], 'nobody'],
      errors: [],
    })
    const instances = [0, 2].map((index) => `zones/${zones[index]}/instances/${ids[index]}`)
    expect(bodies(`${groups}.deleteInstances`)).toEqual([{ instances, skipInstancesOnValidationError: true }])
    expect(cloud.fake.targetSize).toBe(1)
    expect((await group.list(never)).map(({ id }) => id)).toEqual([ids[1]])
  })

  it('is not made larger by a launch that is asked for again', async () => {
    const { cloud, exchanges } = await start(options)
    const group = await initialised(cloud.makeGroup())
    cloud.fake.controls.inject!({ kind: 'lost_answer', on: 'increase', times: 1 })
    await expect(group.increase({ count: 2, launchToken }, never)).rejects.toMatchObject({ code: 'transient' })
    // What came of it is read off the names.
    const rows = await group.list(never)
    expect(rows.map((row) => row.launchToken)).toEqual([launchToken, launchToken])
    const ids = rows.map(({ id }) => id)
    expect(await group.increase({ count: 2, launchToken }, never)).toEqual({ requested: 2, ids })
    expect(cloud.fake.targetSize).toBe(2)
    expect(exchanges.filter(({ operation }) => operation.endsWith('createInstances'))).toEqual([])
  })

  it('is not made larger by one that is asked for again before it shows', async () => {
    const { cloud, clock, exchanges } = await start({ ...options, lags: { appearMs: 60_000 } })
    const group = await initialised(cloud.makeGroup())
    const launches: IncreaseResult[] = []
    for (let time = 0; time < 2; time += 1) {
      // The plugin's patience with the operation, and the fake's wait (which outlives it).
      launches.push(await passing(clock, 2 + time, 10_000, group.increase({ count: 2, launchToken }, never)))
    }
    expect(launches[1]).toEqual(launches[0])
    expect(cloud.fake.targetSize).toBe(2)
    const requests = exchanges.filter(({ operation }) => operation.endsWith('createInstances'))
    expect(new Set(requests.map(({ request }) => request.url.search)).size).toBe(1)
    expect(requests).toHaveLength(2)
  })

  it('deletes by its bare name what no list shows yet', async () => {
    const { cloud, clock, bodies } = await start({ ...options, lags: { appearMs: 60_000 } })
    const group = await initialised(cloud.makeGroup())
    const { ids = [] } = await passing(clock, 2, 10_000, group.increase({ count: 1, launchToken }, never))
    expect(await group.list(never)).toEqual([])
    await expect(group.connectInfo(ids[0]!, never)).rejects.toMatchObject({ code: 'not_ready' })
    expect(await group.decrease(ids, never)).toEqual({ accepted: ids, errors: [] })
    expect(bodies(`${groups}.deleteInstances`)).toEqual([{ instances: ids, skipInstancesOnValidationError: true }])
    expect(cloud.fake.targetSize).toBe(0)
  })

  it.each([
    ['capacity', 'ZONE_RESOURCE_POOL_EXHAUSTED'],
    ['quota', 'QUOTA_EXCEEDED'],
  ] as const)('reads %s off the last attempt, and gives the place back', async (kind, word) => {
    const { cloud, clock } = await start(options)
    const group = await initialised(cloud.makeGroup({}, { clock }))
    cloud.fake.controls.inject!({ kind, on: 'increase' })
    const { ids = [] } = await group.increase({ count: 2, launchToken }, never)
    let rows = await group.list(never)
    // Where there are several zones, each must have had no room.
    for (let zone = 1; kind === 'capacity' && zone < new Set(zones).size; zone += 1) {
      expect(rows.map(({ state }) => state)).toEqual(['creating', 'creating'])
      await clock.advance(15_000)
      rows = await group.list(never)
    }
    expect(rows.map(({ state, error }) => [state, error?.code])).toEqual([
      ['failed', kind],
      ['failed', kind],
    ])
    expect(rows[0]?.detail).toContain(word)
    await group.decrease(ids, never)
    expect(cloud.fake.targetSize).toBe(0)
    cloud.fake.controls.heal!()
    expect(await group.increase({ count: 1, launchToken: 'again' }, never)).toMatchObject({ requested: 1 })
  })
})

it('deletes what a group in a region tries in another zone since it was listed', async () => {
  const { clock, cloud } = await start({
    region: 'europe-west1',
    lags: { appearMs: 0, bootMs: 1000, deleteMs: 0 },
    zoneRetryMs: 5000,
  })
  const group = await initialised(cloud.makeGroup())
  Object.assign(cloud.fake.settings, { fullZones: ['europe-west1-b', 'europe-west1-c', 'europe-west1-d'] })
  const { ids = [] } = await group.increase({ count: 1, launchToken }, never)
  await clock.advance(500)
  expect(await group.list(never)).toMatchObject([{ id: ids[0], state: 'creating' }])
  await clock.advance(6000)
  // By now the group tries the next zone.
  expect(cloud.fake.controls.machines()).toEqual(ids)
  expect(await group.decrease(ids, never)).toEqual({ accepted: ids, errors: [] })
  expect([await group.list(never), cloud.fake.targetSize]).toEqual([[], 0])
})

describe('a thousand machines', () => {
  it('are asked for with one request, and reached with one list a zone, not one call each', async () => {
    const { cloud } = await start({ region: 'europe-west1' })
    const group = await initialised(cloud.makeGroup())
    const { ids = [] } = await group.increase({ count: 1000, launchToken }, never)
    await group.list(never)
    const before = cloud.fake.controls.calls!().length
    await Promise.all(ids.map((id) => group.connectInfo(id, never)))
    // Three zones, each a page.
    expect(cloud.fake.controls.calls!().length - before).toBe(3)
    const creating = cloud.fake.controls.calls!().filter(({ operation }) => operation.endsWith('createInstances'))
    expect(creating).toHaveLength(1)
  })

  it('and more are asked for in portions; a portion that is refused leaves the others', async () => {
    const { cloud } = await start({ region: 'europe-west1', maxSize: 1500 })
    const group = await initialised(cloud.makeGroup({ max_size: 2000 }))
    const { requested, ids, errors } = await group.increase({ count: 2000, launchToken }, never)
    expect([requested, ids?.length]).toEqual([1000, 1000])
    expect(errors).toEqual([expect.objectContaining({ code: 'quota' })])
    expect(cloud.fake.targetSize).toBe(1000)
  })
})

describe('host keys', () => {
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey'

  it('are those that the machine publishes as guest attributes, read once', async () => {
    const { cloud, exchanges } = await start({ hostKeys: () => [key] })
    const group = await initialised(cloud.makeGroup())
    const { ids = [] } = await group.increase({ count: 1, launchToken }, never)
    for (let time = 0; time < 3; time += 1)
      expect(await group.connectInfo(ids[0]!, never)).toMatchObject({ hostKeys: [key] })
    expect(exchanges.filter(({ operation }) => operation === 'instances.getGuestAttributes')).toHaveLength(1)
  })

  it('are waited for, and given up after two minutes', async () => {
    const { cloud, clock } = await start({ hostKeys: () => [] })
    const group = await initialised(cloud.makeGroup())
    const { ids = [] } = await group.increase({ count: 1, launchToken }, never)
    for (const passed of [0, 119_999]) {
      await clock.advance(passed)
      await expect(group.connectInfo(ids[0]!, never)).rejects.toMatchObject({ code: 'not_ready' })
    }
    await clock.advance(1)
    expect(await group.connectInfo(ids[0]!, never)).toMatchObject({ hostKeys: [] })
  })

  it('are not asked for where nobody checks them', async () => {
    const { cloud } = await start({ hostKeys: () => [] })
    const connector = { privateKey: cloud.keyPair.privateKey, hostKeyChecking: 'off' } as const
    const group = await initialised(cloud.makeGroup({}, { connector }))
    const { ids = [] } = await group.increase({ count: 1, launchToken }, never)
    expect(await group.connectInfo(ids[0]!, never)).toMatchObject({ hostKeys: [] })
  })
})

describe('the key of a machine that does not have it', () => {
  it('is added to its metadata, beside whatever is there, and the guest agent is given time', async () => {
    const { cloud, clock, bodies } = await start()
    cloud.fake.settings.metadata.set('enable-oslogin', 'FALSE')
    const group = await initialised(cloud.makeGroup({ ssh_keys: 'metadata' }))
    const { ids = [] } = await group.increase({ count: 1, launchToken }, never)
    expect(bodies('instanceGroupManagers.createInstances')).toEqual([{ instances: [{ name: ids[0] }] }])
    await passing(clock, 1, 2000, group.connectInfo(ids[0]!, never))
    const items = [
      { key: 'enable-oslogin', value: 'FALSE' },
      { key: 'ssh-keys', value: `runner:${cloud.keyPair.publicKey} runner` },
    ]
    expect(bodies('instances.setMetadata')).toEqual([{ fingerprint: expect.any(String), items }])
    await group.connectInfo(ids[0]!, never)
    expect(bodies('instances.setMetadata')).toHaveLength(1)
  })

  it('is added to those of an earlier process', async () => {
    const { cloud, clock, bodies } = await start()
    const before = await initialised(cloud.makeGroup())
    const { ids = [] } = await before.increase({ count: 1, launchToken }, never)
    const fleetKey = await newKeyPair()
    const group = await initialised(cloud.makeGroup({}, { connector: {}, fleetKey }))
    expect(await passing(clock, 1, 2000, group.connectInfo(ids[0]!, never))).toMatchObject({
      privateKey: fleetKey.privateKey,
    })
    const value = [cloud.keyPair, fleetKey].map(({ publicKey }) => `runner:${publicKey} runner`).join('\n')
    expect(bodies('instances.setMetadata')).toMatchObject([{ items: [{ key: 'ssh-keys', value }] }])
  })

  it('does not overwrite what somebody else puts there at the same moment', async () => {
    let isRead = false
    const { cloud, clock, exchanges } = await start({
      onExchange({ operation }) {
        if (operation === 'instances.get' && !isRead) {
          isRead = true
          cloud.fake.controls.inject!({ kind: 'reset', on: 'connectInfo', times: 1 })
        }
      },
    })
    const group = await initialised(cloud.makeGroup({ ssh_keys: 'metadata' }))
    const { ids = [] } = await group.increase({ count: 1, launchToken }, never)
    // The machine is read, and the line breaks before the key is written: what was read is kept, and gets old.
    await expect(group.connectInfo(ids[0]!, never)).rejects.toMatchObject({ code: 'transient' })
    const { request, answer } = exchanges.findLast(({ operation }) => operation === 'instances.get')!
    const { fingerprint } = (JSON.parse(answer.body) as { metadata: { fingerprint: string } }).metadata
    await fetch(`${cloud.fake.url}${request.url.pathname}/setMetadata`, {
      method: 'POST',
      headers: { authorization: 'Bearer other' },
      body: JSON.stringify({ fingerprint, items: [{ key: 'theirs', value: '1' }] }),
    })
    cloud.fake.controls.heal!()

    await passing(clock, 1, 2000, group.connectInfo(ids[0]!, never))
    const changes = exchanges.filter(({ operation }) => operation === 'instances.setMetadata')
    expect(changes.map((change) => change.answer.status)).toEqual([200, 412, 200])
    expect(JSON.parse(changes.at(-1)!.request.body)).toMatchObject({
      items: [{ key: 'theirs', value: '1' }, { key: 'ssh-keys' }],
    })
  })
})

describe('OS Login', () => {
  it.each([
    ['the template', 'metadata'],
    ['the project', 'projectMetadata'],
  ] as const)('of %s is found, and no key is put where none is read', async (_whose, where) => {
    const { cloud, bodies } = await start()
    cloud.fake.settings[where].set('enable-oslogin', 'TRUE')
    const group = cloud.makeGroup()
    const { findings = [] } = await group.init(never)
    expect(findings).toContainEqual(expect.objectContaining({ code: 'os_login_on', severity: 'error' }))
    const { ids = [] } = await group.increase({ count: 1, launchToken }, never)
    await expect(group.connectInfo(ids[0]!, never)).rejects.toMatchObject({ code: 'invalid_config' })
    expect(bodies('instances.setMetadata')).toEqual([])
  })

  it('is no problem where the operator has a key of an OS Login user', async () => {
    const { cloud, bodies } = await start()
    cloud.fake.settings.projectMetadata.set('enable-oslogin', 'TRUE')
    const connector = { privateKey: cloud.keyPair.privateKey, username: 'ext_user', useStaticCredentials: true }
    const group = cloud.makeGroup({}, { connector })
    const { findings = [] } = await group.init(never)
    expect(findings.map(({ code }) => code)).not.toContain('os_login_on')
    const { ids = [] } = await group.increase({ count: 1, launchToken }, never)
    expect(bodies('instanceGroupManagers.createInstances')).toEqual([{ instances: [{ name: ids[0] }] }])
    expect(await group.connectInfo(ids[0]!, never)).toMatchObject({ username: 'ext_user' })
  })
})

describe('logging in', () => {
  afterEach(() => void vi.unstubAllEnvs())
  const file = (content: string): string => {
    const directory = mkdtempSync(join(tmpdir(), 'gce-login-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const path = join(directory, 'credentials.json')
    writeFileSync(path, content)
    return path
  }

  it('with a key of a service account signs the token here, and writes nothing on the console', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const { cloud, exchanges } = await start()
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const credentials = {
      type: 'service_account',
      client_email: 'fleet@example.invalid',
      private_key: pem,
      private_key_id: 'k1',
    }
    await initialised(cloud.makeGroup({ credentials_file: file(JSON.stringify(credentials)) }))
    await initialised(cloud.makeGroup())
    expect(warn).not.toHaveBeenCalled()
    const token = exchanges[0]!.request.headers.authorization!.replace('Bearer ', '')
    const [header = '', claims = '', signature = ''] = token.split('.')
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      iss: 'fleet@example.invalid',
      scope: 'https://www.googleapis.com/auth/compute',
    })
    expect(verify('sha256', Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))).toBe(
      true,
    )
  })

  it('without a file takes the default credentials: the file that the environment names', async () => {
    const { cloud, exchanges } = await start()
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', file(JSON.stringify(cloud.fake.credentials)))
    await initialised(cloud.makeGroup({ credentials_file: undefined }))
    expect(exchanges.map(({ request }) => request.url.pathname)).toContain('/v1/token')
  })

  it('without a file takes the default credentials: those of the machine it runs on', async () => {
    const { cloud, exchanges } = await start()
    for (const name of ['GOOGLE_APPLICATION_CREDENTIALS', 'CLOUDSDK_CONFIG', 'HOME']) vi.stubEnv(name, '/nonexistent')
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '')
    vi.stubEnv('GCE_METADATA_HOST', new URL(cloud.fake.url).host)
    await initialised(cloud.makeGroup({ credentials_file: undefined }))
    expect(exchanges.map(({ request }) => request.url.pathname)).toContain(
      '/computeMetadata/v1/instance/service-accounts/default/token',
    )
  })

  it.each([
    ['no JSON', 'secret: hush', /expected JSON$/],
    [
      'another type',
      '{"type":"gdch_service_account"}',
      /expected "type": service_account, .* got "gdch_service_account"$/,
    ],
    ['no key', '{"type":"service_account","client_email":"a@b"}', /expected a text in "private_key"$/],
  ])('with a file of %s says what is wrong with it, without quoting it', async (_what, content, message) => {
    const { cloud } = await start()
    const error: unknown = await cloud
      .makeGroup({ credentials_file: file(content) })
      .init(never)
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(GroupError)
    expect(error).toMatchObject({ code: 'invalid_config', message: expect.stringMatching(message) })
    expect((error as GroupError).message).not.toContain('hush')
  })

  it('with a token that Google does not give is an error of its own', async () => {
    const { cloud } = await start()
    const wrong = { ...cloud.fake.credentials, credential_source: { file: file('not the subject token') } }
    await expect(cloud.makeGroup({ credentials_file: file(JSON.stringify(wrong)) }).init(never)).rejects.toMatchObject({
      code: 'auth',
      message: expect.stringMatching(/^logging in to Google Cloud: /),
    })
  })
})

describe('throttling', () => {
  it('is told with the time to the next minute, when the quota is refilled', async () => {
    const { cloud, clock } = await start()
    const group = await initialised(cloud.makeGroup())
    cloud.fake.controls.inject!({ kind: 'throttled', on: 'list', times: 1 })
    const retryAfterMs = 60_000 - (clock.wallTime() % 60_000)
    await expect(group.list(never)).rejects.toMatchObject({ code: 'throttled', retryAfterMs })
  })
})
