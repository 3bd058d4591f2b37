import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectorConfig, type InstanceGroup, silentLogger } from '@runner-core/fleeting'
import { ManualClock } from '@runner-core/fleeting/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createInstanceGroup } from './group.ts'

// No instance here ever starts a process: their boot is an hour away on a clock that stands.
const { signal } = new AbortController()
let rootDir: string
let group: InstanceGroup

function makeGroup(config: object = {}, connector: ConnectorConfig = {}): InstanceGroup {
  const context = { fleet: 'test', connector, logger: silentLogger, clock: new ManualClock(), random: () => 0.5 }
  return createInstanceGroup({ root_dir: rootDir, boot_delay_ms: 3_600_000, ...config }, context)
}

beforeEach(() => {
  rootDir = mkdtempSync(join(tmpdir(), 'local-test-'))
  group = makeGroup({ max_size: 3 })
})
afterEach(async () => {
  await group.shutdown()
  expect(readdirSync(rootDir)).toEqual([])
  rmSync(rootDir, { recursive: true })
})

describe('LocalGroup', () => {
  test('says who it is', async () => {
    expect(await group.init(signal)).toEqual({
      id: 'local/test',
      maxSize: 3,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    })
  })

  test('makes nothing on the disk before the first launch', async () => {
    await group.init(signal)
    expect(await group.list(signal)).toEqual([])
    expect(readdirSync(rootDir)).toEqual([])
    const later = makeGroup({ root_dir: join(rootDir, 'made', 'later') })
    await later.init(signal)
    expect(existsSync(join(rootDir, 'made'))).toBe(false)
    await group.increase({ count: 1, launchToken: 'a' }, signal)
    expect(readdirSync(rootDir)).toHaveLength(1)
  })

  test('launches what fits and answers the rest as a quota error', async () => {
    await group.init(signal)
    const first = await group.increase({ count: 2, launchToken: 'a' }, signal)
    expect(first).toEqual({ requested: 2, ids: [expect.any(String), expect.any(String)] })
    const second = await group.increase({ count: 2, launchToken: 'b' }, signal)
    expect(second).toMatchObject({ requested: 1, errors: [{ code: 'quota' }] })
    expect(await group.list(signal)).toEqual([
      { id: first.ids![0], launchToken: 'a', state: 'creating' },
      { id: first.ids![1], launchToken: 'a', state: 'creating' },
      { id: second.ids![0], launchToken: 'b', state: 'creating' },
    ])
  })

  test('launches nothing for a token that it has seen', async () => {
    await group.init(signal)
    const first = await group.increase({ count: 2, launchToken: 'a' }, signal)
    expect(await group.increase({ count: 2, launchToken: 'a' }, signal)).toEqual(first)
    expect(await group.list(signal)).toHaveLength(2)
  })

  test('removes exactly those named, also before they run; unknown ones are gone already', async () => {
    await group.init(signal)
    const { ids } = await group.increase({ count: 3, launchToken: 'a' }, signal)
    expect(await group.decrease([ids![1]!, 'local-unknown'], signal)).toEqual({ accepted: [ids![1], 'local-unknown'] })
    expect((await group.list(signal)).map(({ id }) => id)).toEqual([ids![0], ids![2]])
    expect(await group.decrease([ids![1]!], signal)).toEqual({ accepted: [ids![1]] })
  })

  test('tells one that is not ready from one that is not there', async () => {
    await group.init(signal)
    const { ids } = await group.increase({ count: 1, launchToken: 'a' }, signal)
    await expect(group.connectInfo(ids![0]!, signal)).rejects.toMatchObject({ code: 'not_ready', instanceId: ids![0] })
    await expect(group.connectInfo('local-unknown', signal)).rejects.toMatchObject({
      code: 'not_found',
      instanceId: 'local-unknown',
    })
  })

  test('an aborted call does nothing', async () => {
    await group.init(signal)
    const aborted = AbortSignal.abort(new Error('enough'))
    await expect(group.increase({ count: 1, launchToken: 'a' }, aborted)).rejects.toThrow('enough')
    await expect(group.list(aborted)).rejects.toThrow('enough')
    expect(await group.list(signal)).toEqual([])
  })

  test('refuses a root_dir that it cannot use, and a key that is none', async () => {
    for (const root_dir of ['/dev/null', '/dev/null/inside']) {
      await expect(makeGroup({ root_dir }).init(signal)).rejects.toMatchObject({
        code: 'invalid_config',
        message: expect.stringContaining('plugin_config.root_dir'),
      })
    }
    await expect(makeGroup({}, { privateKey: 'no key' }).init(signal)).rejects.toMatchObject({ code: 'invalid_config' })
  })
})
