import { readFileSync } from 'node:fs'
import { checkSetup } from '@runner-core/testkit/config/check-setup'
import { expect, test } from 'vitest'
import { createGoPluginGroup } from '../src/index.ts'

test("the guide's configuration is one that the runner takes", async () => {
  const createInstanceGroup = createGoPluginGroup('/usr/bin/fleeting-plugin-hetzner')
  expect(
    await checkSetup(readFileSync(new URL('../setup/config.toml', import.meta.url), 'utf8'), createInstanceGroup),
  ).toEqual({ warnings: [], problems: [] })
})
