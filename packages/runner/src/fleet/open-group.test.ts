import { systemClock } from '@runner-core/fleeting'
import type { LoadedPlugin } from '@runner-core/fleeting/plugins'
import { MemoryGroup } from '@runner-core/fleeting/testing'
import { expect, test } from 'vitest'
import { parseConfig } from '../config/parse-config.ts'
import { openGroup } from './open-group.ts'

const { settings } = parseConfig(`
[[runners]]
name = "one"
url = "https://gitlab.example.com"
token = "glrt-one"
executor = "instance"
[runners.autoscaler]
plugin = "moon"
max_instances = 1
`)

test.each<[string, Partial<LoadedPlugin>, object[]]>([
  ['a module alone', { kind: 'module', file: '/a.js' }, [{ plugin: 'moon', kind: 'module', file: '/a.js' }]],
  [
    'a module that was preferred to an executable',
    { kind: 'module', file: '/a.js', passedOver: '/bin/fleeting-plugin-moon' },
    [{ plugin: 'moon', kind: 'module', file: '/a.js', passed_over: '/bin/fleeting-plugin-moon' }],
  ],
  ['one that does not tell', {}, []],
])('which plugin was found is logged: %s', async (_what, found, logged) => {
  const entries: object[] = []
  const ignore = (): void => {}
  const logger = { debug: ignore, warn: ignore, error: ignore, info: (fields: object) => void entries.push(fields) }
  const findPlugin = async () => ({ createInstanceGroup: () => new MemoryGroup({ clock: systemClock }), ...found })
  await openGroup(settings.runners[0]!, { findPlugin, clock: systemClock, random: () => 0, logger })
  expect(entries).toEqual(logged)
})
