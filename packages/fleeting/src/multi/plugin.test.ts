import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { ConnectorConfig } from '../contract/instance-group.ts'
import { silentLogger } from '../contract/logger.ts'
import { loadPlugin } from '../plugins/load-plugin.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { createInstanceGroup } from './index.ts'

const never = new AbortController().signal
const directory = mkdtempSync(join(tmpdir(), 'multi-'))
afterAll(() => rmSync(directory, { recursive: true }))

const plugin = join(directory, 'plugin.mjs')
writeFileSync(
  plugin,
  `export function createInstanceGroup(config, { fleet, stateDir, connector }) {
  if (config.zone === undefined) throw Object.assign(new Error('plugin_config.zone: expected a zone, got nothing'), { name: 'GroupError', code: 'invalid_config' })
  return {
    init: async () => ({ id: fleet, maxSize: 5, version: '1', findings: [{ code: 'fleet', severity: 'info', message: fleet + ' in ' + config.zone + (stateDir ? ', ' + stateDir : ''), fix: 'none' }] }),
    list: async () => (config.id === undefined ? [] : [{ id: config.id, state: 'running' }]),
    increase: async ({ count }) => ({ requested: count }),
    decrease: async (accepted) => ({ accepted }),
    connectInfo: async (instanceId) => ({ instanceId, protocol: 'ssh', username: 'nobody', password: JSON.stringify(connector) }),
    shutdown: async () => {},
  }
}`,
)

const make = (config: unknown, kept: { readonly stateDir?: string; readonly connector?: ConnectorConfig } = {}) =>
  createInstanceGroup(config, {
    fleet: 'test',
    connector: {},
    ...kept,
    logger: silentLogger,
    clock: new ManualClock(),
    random: Math.random,
  })

describe('plugin = "multi"', () => {
  it('is found by its name', async () => {
    expect(await loadPlugin('multi')).toMatchObject({ createInstanceGroup })
  })

  it('makes each group with the plugin named for it, under a name of its own', async () => {
    const group = make({
      prefer: 'price',
      groups: {
        sure: { plugin, plugin_config: { zone: 'x' }, price: 3 },
        spot: { plugin, plugin_config: { zone: 'y' }, price: 0.9, max_instances: 2, weight: 1.5 },
      },
    })
    expect(await group.init(never)).toMatchObject({
      id: 'multi/test',
      maxSize: 7,
      placements: ['spot', 'sure'],
      findings: [{ message: 'spot: test-spot in y' }, { message: 'sure: test-sure in x' }],
    })
    await group.shutdown()
  })

  it('gives each group a directory of its own for what must outlive the process', async () => {
    const member = { plugin, plugin_config: { zone: 'x' } }
    const group = make({ groups: { a: member, b: member } }, { stateDir: '/state/plugin' })
    const { findings } = await group.init(never)
    expect(findings?.map(({ message }) => message)).toEqual([
      'a: test-a in x, /state/plugin/a',
      'b: test-b in x, /state/plugin/b',
    ])
    await group.shutdown()
  })

  it('gives each group the connector settings of its own over those of the fleet, and tells them with each of its instances', async () => {
    const keyPath = join(directory, 'key')
    writeFileSync(keyPath, 'KEY')
    const connector_config = {
      username: 'ubuntu',
      protocol_port: 2222,
      key_path: keyPath,
      use_external_addr: true,
      timeout: '2m',
      host_key_checking: 'strict',
    }
    const member = { plugin, plugin_config: { zone: 'x', id: '1' } }
    const group = make(
      { groups: { own: { ...member, connector_config }, fleets: member } },
      { connector: { username: 'ci', arch: 'arm64' } },
    )
    await group.init(never)
    await group.list(never)
    const own = {
      username: 'ubuntu',
      protocolPort: 2222,
      privateKey: 'KEY',
      useExternalAddress: true,
      timeoutMs: 120_000,
      hostKeyChecking: 'strict',
    }
    const info = await group.connectInfo('own/1', never)
    expect(info.connector).toEqual(own)
    expect(JSON.parse(info.password!)).toEqual({ arch: 'arm64', ...own })
    const other = await group.connectInfo('fleets/1', never)
    expect(other).not.toHaveProperty('connector')
    expect(JSON.parse(other.password!)).toEqual({ username: 'ci', arch: 'arm64' })
    await group.shutdown()
  })

  it('tells how many jobs an instance of each group runs at once', async () => {
    const member = { plugin, plugin_config: { zone: 'x' } }
    const group = make({ groups: { small: { ...member, capacity_per_instance: 1 }, large: member } })
    expect((await group.init(never)).capacities).toEqual({ small: 1 })
    await group.shutdown()
  })

  it('names every problem of its own settings', () => {
    const config = {
      prefer: 'luck',
      no_capacity_seconds: 0,
      groups: {
        a: { weight: 0, max_instances: 0 },
        'b/c': {
          plugin: 'x',
          price: -1,
          zone: 'x',
          capacity_per_instance: 0,
          connector_config: { key_path: '/none', user: 'x' },
        },
      },
    }
    expect(() => make(config)).toThrow(
      [
        'plugin_config.prefer: expected "order" or "price" or "weight", got "luck"',
        'plugin_config.no_capacity_seconds: expected a whole number from 1 to 3600, got 0',
        'plugin_config.groups: expected names of letters, digits, -, _ and ., got "b/c"',
        'plugin_config.groups.a.plugin: expected the plugin of this group, got nothing',
        'plugin_config.groups.a.max_instances: expected a whole number, at least 1, got 0',
        'plugin_config.groups.a.weight: expected a number above 0, got 0',
        'plugin_config.groups.b/c.capacity_per_instance: expected a whole number, at least 1, got 0',
        'plugin_config.groups.b/c.price: expected a number, at least 0, got -1',
        'plugin_config.groups.b/c.zone: expected no such key',
      ].join('\n'),
    )
    expect(() => make(config)).toThrow(
      'plugin_config.groups.b/c.connector_config.key_path: expected the path of a readable file, got "/none" (ENOENT)',
    )
    expect(() => make(config)).toThrow('plugin_config.groups.b/c.connector_config.user: expected no such key')
    expect(() => make({})).toThrow('plugin_config.groups: expected a table for each group, got none')
  })

  it('names problems of the groups by their place in the whole', async () => {
    for (const settings of [{ plugin_config: {} }, {}])
      await expect(make({ groups: { a: { plugin, ...settings } } }).init(never)).rejects.toMatchObject({
        code: 'invalid_config',
        message: 'plugin_config.groups.a.plugin_config.zone: expected a zone, got nothing',
      })
    await expect(make({ groups: { a: { plugin: 'no-such-plugin' } } }).init(never)).rejects.toMatchObject({
      code: 'plugin_not_found',
    })
  })
})
