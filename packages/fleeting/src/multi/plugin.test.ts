import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadPlugin } from '../load-plugin.ts'
import { silentLogger } from '../logger.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { createInstanceGroup } from './index.ts'

const never = new AbortController().signal
const directory = mkdtempSync(join(tmpdir(), 'multi-'))
afterAll(() => rmSync(directory, { recursive: true }))

const plugin = join(directory, 'plugin.mjs')
writeFileSync(
  plugin,
  `export function createInstanceGroup(config, { fleet, stateDir }) {
  if (config.zone === undefined) throw Object.assign(new Error('plugin_config.zone: expected a zone, got nothing'), { name: 'GroupError', code: 'invalid_config' })
  return {
    init: async () => ({ id: fleet, maxSize: 5, version: '1', findings: [{ code: 'fleet', severity: 'info', message: fleet + ' in ' + config.zone + (stateDir ? ', ' + stateDir : ''), fix: 'none' }] }),
    list: async () => [],
    increase: async ({ count }) => ({ requested: count }),
    decrease: async (accepted) => ({ accepted }),
    connectInfo: async (instanceId) => ({ instanceId, protocol: 'ssh', username: 'nobody' }),
    shutdown: async () => {},
  }
}`,
)

const make = (config: unknown, kept: { readonly stateDir?: string } = {}) =>
  createInstanceGroup(config, {
    ...kept,
    fleet: 'test',
    connector: {},
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
    expect(findings?.map(({ message }) => message)).toEqual(['a: test-a in x, /state/plugin/a', 'b: test-b in x, /state/plugin/b'])
    await group.shutdown()
  })

  it('names every problem of its own settings', () => {
    const config = {
      prefer: 'luck',
      no_capacity_seconds: 0,
      groups: { a: { weight: 0, max_instances: 0 }, 'b/c': { plugin: 'x', price: -1, zone: 'x' } },
    }
    expect(() => make(config)).toThrow(
      [
        'plugin_config.prefer: expected "order" or "price" or "weight", got "luck"',
        'plugin_config.no_capacity_seconds: expected a whole number from 1 to 3600, got 0',
        'plugin_config.groups: expected names of letters, digits, -, _ and ., got "b/c"',
        'plugin_config.groups.a.plugin: expected the plugin of this group, got nothing',
        'plugin_config.groups.a.max_instances: expected a whole number, at least 1, got 0',
        'plugin_config.groups.a.weight: expected a number above 0, got 0',
        'plugin_config.groups.b/c.price: expected a number, at least 0, got -1',
        'plugin_config.groups.b/c.zone: expected no such key',
      ].join('\n'),
    )
    expect(() => make({})).toThrow('plugin_config.groups: expected a table for each group, got none')
  })

  it('names problems of the groups by their place in the whole', async () => {
    for (const settings of [{ plugin_config: {} }, {}])
      await expect(make({ groups: { a: { plugin, ...settings } } }).init(never)).rejects.toMatchObject({
        code: 'invalid_config',
        message: 'plugin_config.groups.a.plugin_config.zone: expected a zone, got nothing',
      })
    await expect(make({ groups: { a: { plugin: 'no-such-plugin' } } }).init(never)).rejects.toMatchObject({ code: 'plugin_not_found' })
  })
})
