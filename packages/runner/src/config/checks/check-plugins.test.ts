import { loadPlugin } from '@runner-core/fleeting/plugins'
import { expect, test } from 'vitest'
import { checkPlugins } from './check-plugins.ts'

test.each([
  ['locla', 'local'],
  ['dokcer', 'docker'],
  ['statik', 'static'],
  ['Local', 'local'],
  ['fleeting-plugin-dokcer', 'docker'],
])('%s is not installed: %s was probably meant', async (plugin, meant) => {
  const [problem, ...more] = await checkPlugins([{ name: 'a', autoscaler: { plugin } }], loadPlugin)
  expect(problem).toEqual({
    path: 'runners[0].autoscaler.plugin',
    message: `expected a plugin that can be loaded, got plugin "${plugin}": it is not installed; did you mean ${meant}?`,
  })
  expect(more).toEqual([])
})

test.each([
  ['aws:1', 'aws'],
  ['docker:latest', 'docker'],
  ['registry.example.com/plugins/static:1.0', 'static'],
])('%s is a plugin of a registry: how to install it, and %s, which is ours', async (plugin, meant) => {
  const [problem] = await checkPlugins([{ name: 'a', autoscaler: { plugin } }], loadPlugin)
  expect(problem?.message).toBe(
    `expected a plugin that can be loaded, got plugin "${plugin}": it is not installed; try: runner-core fleeting install ${plugin}; or did you mean ${meant}?`,
  )
})

test.each(['nosuch', '@acme/machines', 'constructor', '', '/'])(
  '%j is like no plugin: nothing is suggested',
  async (plugin) => {
    const [problem] = await checkPlugins([{ name: 'a', autoscaler: { plugin } }], loadPlugin)
    expect(problem?.message).not.toContain('did you mean')
  },
)

test('a plugin that was found and does not load gets no suggestion', async () => {
  const find = (): Promise<never> => Promise.reject(new Error('a syntax error'))
  expect(await checkPlugins([{ name: 'a', autoscaler: { plugin: 'dokcer' } }], find)).toEqual([
    { path: 'runners[0].autoscaler.plugin', message: 'expected a plugin that can be loaded, got a syntax error' },
  ])
})

test('groups in groups are checked, each at its place', async () => {
  const pluginConfig = {
    prefer: 'luck',
    groups: { near: { plugin: 'local', plugin_config: { max_size: 0 } }, far: { plugin: 'dokcer' } },
  }
  const problems = await checkPlugins([{ name: 'a', autoscaler: { plugin: 'multi', pluginConfig } }], loadPlugin)
  expect(problems.map(({ path }) => path)).toEqual([
    'runners[0].autoscaler.plugin_config.prefer',
    'runners[0].autoscaler.plugin_config.groups.near.plugin_config.max_size',
    'runners[0].autoscaler.plugin_config.groups.far.plugin',
  ])
})
