import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { checkSetup } from '@runner-core/testkit/config/check-setup'
import { expect, onTestFinished, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

test("the README's configuration is one that the runner and the plugin take", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'static-setup-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const key of ['build-1.key', 'shared.key'])
    writeFileSync(join(folder, key), (await newKeyPair()).privateKey, { mode: 0o600 })
  const config = readFileSync(new URL('../setup/config.toml', import.meta.url), 'utf8').replaceAll(
    '/etc/gitlab-runner',
    folder,
  )
  expect(await checkSetup(config, createInstanceGroup)).toEqual({ warnings: [], problems: [] })
})
