import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { checkPlugins } from '../../runner/src/config/checks/check-plugins.ts'
import { parseConfig } from '../../runner/src/config/parse-config.ts'
import { createInstanceGroup } from '../src/index.ts'

test("the README's configuration is one that the runner and the plugin take", async () => {
  const { settings, warnings } = parseConfig(readFileSync(new URL('../setup/config.toml', import.meta.url), 'utf8'))
  expect(warnings).toEqual([])
  expect(await checkPlugins(settings.runners, async () => ({ createInstanceGroup }))).toEqual([])
})
