import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { expect, onTestFinished, test } from 'vitest'
import { checkPlugins } from '../../runner/src/config/checks/check-plugins.ts'
import { parseConfig } from '../../runner/src/config/parse-config.ts'
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
  const { settings, warnings } = parseConfig(config)
  expect(warnings).toEqual([])
  expect(await checkPlugins(settings.runners, async () => ({ createInstanceGroup }))).toEqual([])
})
