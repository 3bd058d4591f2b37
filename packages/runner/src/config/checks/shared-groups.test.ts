import { expect, test } from 'vitest'
import { sharedGroups } from './shared-groups.ts'

const zone = (name: string) => ({ plugin: 'aws', plugin_config: { name } })
const multi = (...names: string[]) => ({
  plugin: 'multi',
  pluginConfig: { groups: Object.fromEntries(names.map((name) => [`of-${name}`, zone(name)])) },
})

test('a group in a group belongs to one runner only', () => {
  const alone = { name: 'one', autoscaler: { plugin: 'aws', pluginConfig: { name: 'x' } } }
  expect(sharedGroups([alone, { name: 'two', autoscaler: multi('y', 'x') }])).toEqual([
    {
      path: 'runners[1].autoscaler.plugin_config.groups.of-x.plugin_config',
      message: 'expected an instance group of its own, got that of runners[0]',
    },
  ])
  expect(sharedGroups([{ name: 'two', autoscaler: multi('y', 'x') }, alone])).toMatchObject([
    { path: 'runners[1].autoscaler.plugin_config' },
  ])
  expect(sharedGroups([alone, { name: 'two', autoscaler: multi('y', 'z') }])).toEqual([])
})
