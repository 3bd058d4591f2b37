import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectorConfig, type InstanceGroup, silentLogger, systemClock } from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createInstanceGroup } from './group.ts'

const { signal } = new AbortController()
const threeHosts = { a: { internal_addr: 'a' }, b: { internal_addr: 'b' }, c: { internal_addr: 'c' } }

async function startGroup(
  instances: object = threeHosts,
  connector: ConnectorConfig = { username: 'ci', password: 'x' },
): Promise<InstanceGroup> {
  const group = createInstanceGroup(
    { instances },
    { fleet: 'test', connector, logger: silentLogger, clock: systemClock, random: () => 0 },
  )
  await group.init(signal)
  return group
}

const listed = async (group: InstanceGroup): Promise<string[]> => (await group.list(signal)).map(({ id }) => id)

describe('StaticGroup', () => {
  test('has as many instances as hosts, and lists those that are lent', async () => {
    const group = createInstanceGroup(
      { instances: threeHosts },
      {
        fleet: 'test',
        connector: { username: 'ci', password: 'x' },
        logger: silentLogger,
        clock: systemClock,
        random: () => 0,
      },
    )
    expect(await group.init(signal)).toMatchObject({ id: 'static/test', maxSize: 3, findings: [] })
    expect(await group.list(signal)).toEqual([])
    expect(await group.increase({ count: 2, launchToken: 't' }, signal)).toEqual({ requested: 2, ids: ['a#1', 'b#2'] })
    expect(await group.list(signal)).toEqual([
      { id: 'a#1', state: 'running', launchToken: 't' },
      { id: 'b#2', state: 'running', launchToken: 't' },
    ])
  })

  test('lends what is free and answers the rest as a quota error', async () => {
    const group = await startGroup()
    expect(await group.increase({ count: 5, launchToken: 't' }, signal)).toMatchObject({
      requested: 3,
      errors: [{ code: 'quota' }],
    })
    expect(await group.increase({ count: 1, launchToken: 'u' }, signal)).toMatchObject({
      requested: 0,
      errors: [{ code: 'quota' }],
    })
  })

  test('takes hosts back, and lends them again as other instances', async () => {
    const group = await startGroup()
    await group.increase({ count: 3, launchToken: 't' }, signal)
    expect(await group.decrease(['b#2', 'b#2', 'z#9'], signal)).toEqual({ accepted: ['b#2', 'b#2', 'z#9'] })
    await expect(group.connectInfo('b#2', signal)).rejects.toMatchObject({ code: 'not_found', instanceId: 'b#2' })
    expect(await group.increase({ count: 1, launchToken: 'u' }, signal)).toEqual({ requested: 1, ids: ['b#4'] })
    expect(await group.connectInfo('b#4', signal)).toMatchObject({ internalAddress: 'b' })
  })

  test('lends a host that was given back last: never-lent ones first, then in the order in which they came back', async () => {
    const group = await startGroup()
    await group.increase({ count: 2, launchToken: 't' }, signal)
    await group.decrease(['b#2'], signal)
    await group.decrease(['a#1', 'b#2'], signal)
    expect(await group.increase({ count: 1, launchToken: 'u' }, signal)).toMatchObject({ ids: ['c#3'] })
    await group.decrease(['c#3'], signal)
    expect(await group.increase({ count: 3, launchToken: 'v' }, signal)).toMatchObject({ ids: ['b#4', 'a#5', 'c#6'] })
  })

  test('never lends a host twice, whatever is asked', async () => {
    const step = fc.oneof(
      fc.record({ increase: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ decrease: fc.array(fc.nat(12), { maxLength: 3 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const group = await startGroup()
        const everLent = new Set<string>()
        for (const [index, action] of steps.entries()) {
          const before = await listed(group)
          if ('increase' in action) {
            const { ids = [], requested } = await group.increase(
              { count: action.increase, launchToken: `t${index}` },
              signal,
            )
            expect(requested).toBe(Math.min(action.increase, 3 - before.length))
            for (const id of ids) {
              expect(everLent.has(id)).toBe(false)
              everLent.add(id)
            }
          } else {
            const ids = [...everLent].filter((_, position) => action.decrease.includes(position))
            await group.decrease(ids, signal)
            expect(await listed(group)).toEqual(before.filter((id) => !ids.includes(id)))
          }
          const hosts = (await listed(group)).map((id) => id.split('#')[0])
          expect(new Set(hosts).size).toBe(hosts.length)
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe("a host's credentials", () => {
  let directory: string
  let keyPath: string
  let privateKey: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'static-test-'))
    keyPath = join(directory, 'key')
    ;({ privateKey } = await newKeyPair())
    await writeFile(keyPath, privateKey, { mode: 0o600 })
  })
  afterEach(() => rm(directory, { recursive: true }))

  test('are its own where it has any, else all of connector_config', async () => {
    const instances = { own: { internal_addr: 'a', key_path: keyPath }, other: { internal_addr: 'b' } }
    const group = await startGroup(instances, { username: 'ci', password: 'shared' })
    const { ids } = await group.increase({ count: 2, launchToken: 't' }, signal)
    const [own, other] = await Promise.all(ids!.map((id) => group.connectInfo(id, signal)))
    expect(own).toEqual({
      instanceId: 'own#1',
      machine: 'own',
      protocol: 'ssh',
      internalAddress: 'a',
      username: 'ci',
      hostKeys: [],
      privateKey,
    })
    expect(other).toEqual({
      instanceId: 'other#2',
      machine: 'other',
      protocol: 'ssh',
      internalAddress: 'b',
      username: 'ci',
      hostKeys: [],
      password: 'shared',
    })
  })

  test('in a file that others may read are a finding', async () => {
    await chmod(keyPath, 0o644)
    const context = {
      fleet: 'test',
      connector: { username: 'ci' },
      logger: silentLogger,
      clock: systemClock,
      random: () => 0,
    }
    const group = createInstanceGroup({ instances: { a: { internal_addr: 'a', key_path: keyPath } } }, context)
    expect((await group.init(signal)).findings).toEqual([
      expect.objectContaining({ code: 'key_file_permissions', severity: 'warning', fix: `chmod 600 ${keyPath}` }),
    ])
  })

  test('that cannot be used are named, all at once and without a word of them', async () => {
    const broken = join(directory, 'broken')
    await writeFile(broken, 'MY-SECRET', { mode: 0o600 })
    const instances = {
      a: { internal_addr: 'a', key_path: broken },
      b: { internal_addr: 'b', key_path: broken },
      c: { internal_addr: 'c', key_path: keyPath },
    }
    const error = await startGroup(instances).catch((error: Error) => error)
    expect(error).toMatchObject({ name: 'GroupError', code: 'invalid_config' })
    const lines = (error as Error).message.split('\n')
    expect(lines[0]).toMatch(/^plugin_config\.instances\.a\.key_path .*broken/)
    expect(lines[1]).toMatch(/^plugin_config\.instances\.b\.key_path .*broken/)
    expect(lines).toHaveLength(2)
    expect((error as Error).message).not.toContain('MY-SECRET')
  })
})

describe('with durable state', () => {
  let stateDir: string
  beforeEach(async () => {
    stateDir = join(await mkdtemp(join(tmpdir(), 'static-state-')), 'plugin')
  })
  afterEach(() => rm(join(stateDir, '..'), { recursive: true }))

  const startAgain = async (instances: object = threeHosts): Promise<InstanceGroup> => {
    const context = {
      fleet: 'test',
      connector: { username: 'ci', password: 'hush' },
      logger: silentLogger,
      clock: systemClock,
      random: () => 0,
    }
    const group = createInstanceGroup({ instances }, { ...context, stateDir })
    await group.init(signal)
    return group
  }

  test('the next process has the same hosts lent, under the same ids and tokens, and uses no id again', async () => {
    const first = await startAgain()
    await first.increase({ count: 2, launchToken: 't' }, signal)
    await first.decrease(['a#1'], signal)
    const second = await startAgain()
    expect(await second.list(signal)).toEqual([{ id: 'b#2', state: 'running', launchToken: 't' }])
    expect(await second.connectInfo('b#2', signal)).toMatchObject({ internalAddress: 'b' })
    expect(await second.increase({ count: 3, launchToken: 'u' }, signal)).toMatchObject({
      requested: 2,
      ids: ['a#3', 'c#4'],
    })
    expect(await second.increase({ count: 1, launchToken: 't' }, signal)).toEqual({ requested: 1, ids: ['b#2'] })
    expect(await readFile(join(stateDir, 'loans.json'), 'utf8')).not.toContain('hush')
  })

  test('the next process finds who has the hosts; without durable state the group holds no owner', async () => {
    const owner = { id: 'here', name: 'fleet test', epoch: 2, since: 0 }
    const first = await startAgain()
    expect(await first.owners!(signal)).toEqual([])
    await first.claim!(owner, signal)
    const second = await startAgain()
    expect(await second.owners!(signal)).toEqual([owner])
    await second.claim!(undefined, signal)
    expect(await first.owners!(signal)).toEqual([])
    const ofThisProcess = await startGroup()
    expect(ofThisProcess).not.toMatchObject({ owners: expect.anything() })
    expect(ofThisProcess).not.toMatchObject({ claim: expect.anything() })
  })

  test('a host that is configured no more is lent no more', async () => {
    await (await startAgain()).increase({ count: 3, launchToken: 't' }, signal)
    const { b: _, ...others } = threeHosts
    expect(await listed(await startAgain(others))).toEqual(['a#1', 'c#3'])
  })

  test('what cannot be written down is not lent, and a file that cannot be read stays as it is', async () => {
    const group = await startAgain()
    await writeFile(stateDir, 'in the way')
    await expect(group.increase({ count: 1, launchToken: 't' }, signal)).rejects.toMatchObject({ code: 'transient' })
    expect(await listed(group)).toEqual([])
    await rm(stateDir)
    await group.increase({ count: 1, launchToken: 't' }, signal)
    await writeFile(join(stateDir, 'loans.json'), '{"loans": 1}')
    await expect(startAgain()).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('loans.json'),
    })
    expect(await readFile(join(stateDir, 'loans.json'), 'utf8')).toBe('{"loans": 1}')
  })
})
