import { readFileSync } from 'node:fs'
import { checkSetup } from '@runner-core/testkit/config/check-setup'
import { expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

test("the README's configuration is one that the runner and the plugin take", async () => {
  expect(
    await checkSetup(readFileSync(new URL('../setup/config.toml', import.meta.url), 'utf8'), createInstanceGroup),
  ).toEqual({ warnings: [], problems: [] })
})
