import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import { checkSetup } from '@runner-core/testkit/config/check-setup'
import { expect, onTestFinished, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

test("the README's first configuration is one that the runner and the plugin take", async () => {
  const config = read('setup/config.toml')
  expect(read('README.md')).toContain(
    `<!-- file: packages/fleeting-plugin-azure/setup/config.toml -->\n\`\`\`toml\n${config}\`\`\``,
  )
  const folder = mkdtempSync(join(tmpdir(), 'azure-setup-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const key = join(folder, 'azure.key')
  writeFileSync(key, (await newKeyPair()).privateKey, { mode: 0o600 })
  expect(await checkSetup(config.replace('/etc/gitlab-runner/azure.key', key), createInstanceGroup)).toEqual({
    warnings: [],
    problems: [],
  })
})

test('the README names each finding, key, state word, error word and bucket that the code has', () => {
  const readme = read('README.md')
  const words = [
    ...read('src/findings.ts').matchAll(/warn\(\s*'(\w+)'/g),
    ...read('src/config.ts').matchAll(/(?:table\.(?:string|choice)|required|address)\((?:table, )?'(\w+)'/g),
    ...read('src/states.ts').matchAll(/^ {2}(\w+): '/gm),
    ...read('src/errors.ts').matchAll(/^ {2}([A-Z]\w+): '/gm),
    ...read('src/rate-limits.ts').matchAll(/^ {2}(\w+): (?:perMinute|\{)/gm),
  ].map(([, word]) => word!)
  expect(words.length).toBeGreaterThan(50)
  expect(words.filter((word) => !readme.includes(`\`${word}\``))).toEqual([])
})
