import { type ConnectorConfig, type InstanceGroup, silentLogger, systemClock } from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FakeDaemon } from '../test/fake-daemon.ts'
import { labels } from './container.ts'
import { createInstanceGroup } from './group.ts'

const { signal } = new AbortController()
let daemon: FakeDaemon
let group: InstanceGroup

function makeGroup(config: object = {}, connector: ConnectorConfig = {}): InstanceGroup {
  return createInstanceGroup(config, {
    fleet: 'test',
    connector,
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
  })
}

const statesOf = async (): Promise<string[]> => (await group.list(signal)).map(({ state }) => state)

beforeEach(async () => {
  daemon = new FakeDaemon()
  await daemon.start()
  vi.stubEnv('DOCKER_HOST', `unix://${daemon.socketPath}`)
  group = makeGroup({ max_size: 10 })
})
afterEach(async () => {
  await group.shutdown()
  await daemon.stop()
  vi.unstubAllEnvs()
})

describe('init', () => {
  test('finds the image, and says who the group is', async () => {
    expect(await group.init(signal)).toMatchObject({ id: 'docker/test', maxSize: 10, findings: [] })
  })

  test('without the image says how to make it', async () => {
    daemon.image = undefined
    await expect(group.init(signal)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('mk-sshd-image.sh'),
    })
  })

  test('without a daemon may be tried again', async () => {
    vi.stubEnv('DOCKER_HOST', 'unix:///nowhere/docker.sock')
    await expect(makeGroup().init(signal)).rejects.toMatchObject({
      code: 'transient',
      message: expect.stringContaining('ENOENT'),
    })
  })

  test('ends when it is aborted, though the daemon does not answer', async () => {
    daemon.fault(/GET \/images/, 'hang')
    await expect(group.init(AbortSignal.timeout(20))).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  test('finds an image that is not prepared', async () => {
    daemon.image = { Architecture: 'amd64', Config: { Labels: null } }
    expect((await group.init(signal)).findings).toMatchObject([{ code: 'image_not_prepared', severity: 'warning' }])
  })

  test('of a daemon elsewhere warns that its ports cannot be reached', async () => {
    // Another name for this machine, which nothing in the plugin knows.
    vi.stubEnv('DOCKER_HOST', `tcp://0.0.0.0:${await daemon.listenTcp()}`)
    expect((await makeGroup().init(signal)).findings).toMatchObject([{ code: 'remote_docker_daemon' }])
  })

  test('refuses settings of the environment that make no sense', () => {
    vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:2376')
    vi.stubEnv('DOCKER_CERT_PATH', '/nowhere')
    expect(() => makeGroup()).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  })
})

describe('increase', () => {
  beforeEach(async () => {
    await group.init(signal)
    daemon.calls.length = 0
  })

  test('makes containers, a few at a time, with their keys in place before they start', async () => {
    daemon.peak = 0
    const { requested, ids } = await group.increase({ count: 9, launchToken: 't' }, signal)
    expect(requested).toBe(9)
    expect(new Set(ids).size).toBe(9)
    expect(daemon.peak).toBeLessThanOrEqual(4)
    expect(await statesOf()).toEqual(Array(9).fill('running'))
    const own = daemon.calls
      .filter(({ path }) => path.includes(ids![0]!))
      .map(({ method, path }) => `${method} ${path.split('/')[3]}`)
    expect(own).toEqual(['PUT archive?path=', 'POST start'])
    const archive = daemon.calls.find(({ method }) => method === 'PUT')!
    expect(archive.path).toContain('path=/etc/ssh')
    expect(archive.body).toMatch(/OPENSSH PRIVATE KEY[\s\S]*ssh-ed25519 /)
  })

  test('launches nothing for a token that it has seen', async () => {
    const first = await group.increase({ count: 2, launchToken: 't' }, signal)
    const second = await group.increase({ count: 2, launchToken: 't' }, signal)
    expect(second.requested).toBe(2)
    expect(new Set(second.ids)).toEqual(new Set(first.ids))
    expect(daemon.containers.size).toBe(2)
  })

  test('goes no further than max_size, also when asked twice at once', async () => {
    const results = await Promise.all(
      ['a', 'b'].map((launchToken) => group.increase({ count: 7, launchToken }, signal)),
    )
    expect(results.reduce((sum, { requested }) => sum + requested, 0)).toBe(10)
    expect(results.flatMap(({ errors }) => errors)).toMatchObject([{ code: 'quota' }])
    expect(daemon.containers.size).toBe(10)
  })

  test('succeeds in part: what the daemon refuses is an error with its code', async () => {
    daemon.fault(/POST \/containers\/create/, { statusCode: 500, message: 'no space left on device' })
    daemon.fault(/POST \/containers\/create/, { statusCode: 409, message: 'the container name is already in use' })
    const { requested, ids, errors } = await group.increase({ count: 5, launchToken: 't' }, signal)
    expect({ requested, ids: ids?.length }).toEqual({ requested: 3, ids: 3 })
    expect(new Set(errors?.map(({ code }) => code))).toEqual(new Set(['capacity', 'conflict']))
  })

  test('takes back a container that does not start', async () => {
    daemon.fault(/POST .*\/start/, { statusCode: 500, message: 'driver failed programming external connectivity' })
    const { requested, errors } = await group.increase({ count: 2, launchToken: 't' }, signal)
    expect(requested).toBe(1)
    expect(errors).toMatchObject([{ code: 'transient' }])
    expect(daemon.containers.size).toBe(1)
    expect(daemon.calls.find(({ method }) => method === 'DELETE')?.path).toMatch(/force=(1|true)&v=(1|true)/)
  })

  test('ends at once when it is aborted, and takes back what it was about to start', async () => {
    daemon.fault(/POST .*\/start/, 'hang')
    const controller = new AbortController()
    const increase = group.increase({ count: 1, launchToken: 't' }, controller.signal)
    while (!daemon.calls.some(({ path }) => path.includes('/start'))) await new Promise(setImmediate)
    controller.abort(new Error('enough'))
    await expect(increase).rejects.toThrow('enough')
    await group.shutdown()
    expect(daemon.containers.size).toBe(0)
  })
})

describe('decrease', () => {
  beforeEach(() => group.init(signal))

  test('removes those named, and only those of this fleet', async () => {
    const { ids } = await group.increase({ count: 3, launchToken: 't' }, signal)
    const foreign = [daemon.add('database', {}), daemon.add('other', { [labels.fleet]: 'test-2' })]
    expect(await group.decrease([ids![1]!, ...foreign, 'database', '0123456789ab'], signal)).toMatchObject({
      accepted: [ids![1], ...foreign, 'database', '0123456789ab'],
      errors: [],
    })
    expect(new Set((await group.list(signal)).map(({ id }) => id))).toEqual(new Set([ids![0], ids![2]]))
    expect(daemon.containers.size).toBe(4)
  })

  test('takes gone and going for removed, and goes on after an error', async () => {
    const { ids } = await group.increase({ count: 3, launchToken: 't' }, signal)
    const [gone, going, stuck] = ids as [string, string, string]
    daemon.fault(new RegExp(`DELETE .*${gone}`), { statusCode: 404, message: 'No such container' })
    daemon.fault(new RegExp(`DELETE .*${going}`), { statusCode: 409, message: 'removal is already in progress' })
    daemon.fault(new RegExp(`DELETE .*${stuck}`), { statusCode: 500, message: 'device or resource busy' })
    const { accepted, errors } = await group.decrease([stuck, gone, going], signal)
    expect(accepted).toEqual([gone, going])
    expect(errors).toMatchObject([{ code: 'transient', instanceId: stuck }])
  })

  test('of nothing asks nothing', async () => {
    daemon.calls.length = 0
    expect(await group.decrease([], signal)).toEqual({ accepted: [] })
    expect(daemon.calls).toEqual([])
  })
})

describe('connectInfo', () => {
  beforeEach(() => group.init(signal))

  test('names the port, the host key, and who logs in how', async () => {
    const { ids } = await group.increase({ count: 1, launchToken: 't' }, signal)
    expect(await group.connectInfo(ids![0]!, signal)).toEqual({
      instanceId: ids![0],
      protocol: 'ssh',
      internalAddress: '127.0.0.1:40022',
      username: 'runner',
      privateKey: expect.stringContaining('OPENSSH PRIVATE KEY'),
      hostKeys: [expect.stringMatching(/^ssh-ed25519 /)],
      os: 'linux',
      arch: 'arm64',
    })
  })

  test("of an earlier process's container lets this one in, once", async () => {
    const { ids } = await group.increase({ count: 1, launchToken: 't' }, signal)
    const next = makeGroup()
    await next.init(signal)
    expect((await next.list(signal)).map(({ id }) => id)).toEqual(ids)
    daemon.calls.length = 0
    await next.connectInfo(ids![0]!, signal)
    await next.connectInfo(ids![0]!, signal)
    const written = daemon.calls.filter(({ method }) => method === 'PUT')
    expect(written).toHaveLength(1)
    expect(written[0]?.body).toMatch(/^authorized_keys\0/)
    expect(written[0]?.body).not.toContain('PRIVATE KEY')
  })

  test("uses the operator's key and user, also after a restart", async () => {
    const { privateKey, publicKey } = await newKeyPair()
    const fixed = makeGroup({}, { privateKey, username: 'ci', useStaticCredentials: true })
    await fixed.init(signal)
    const { ids } = await fixed.increase({ count: 1, launchToken: 't' }, signal)
    expect(daemon.calls.find(({ method }) => method === 'PUT')?.body).toContain(publicKey)
    expect(await fixed.connectInfo(ids![0]!, signal)).toMatchObject({ privateKey, username: 'ci' })
  })

  test('tells what is not ready from what is gone, or never was ours', async () => {
    const labelled = { [labels.fleet]: 'test' }
    const [created, exited, foreign] = [
      daemon.add('a', labelled, 'created'),
      daemon.add('b', labelled, 'exited'),
      daemon.add('c', {}),
    ]
    await expect(group.connectInfo(created, signal)).rejects.toMatchObject({ code: 'not_ready', instanceId: created })
    for (const id of [exited, foreign, 'feedfeedfeed']) {
      await expect(group.connectInfo(id, signal)).rejects.toMatchObject({ code: 'not_found', instanceId: id })
    }
  })
})

test('list is all or nothing', async () => {
  await group.init(signal)
  daemon.fault(/GET \/containers\/json/, { statusCode: 500, message: 'database is locked' })
  await expect(group.list(signal)).rejects.toMatchObject({ code: 'transient' })
  daemon.fault(/GET \/containers\/json/, 'hang')
  await expect(group.list(AbortSignal.timeout(20))).rejects.toMatchObject({ name: 'TimeoutError' })
})
