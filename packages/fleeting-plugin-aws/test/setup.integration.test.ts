import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { checkPlugins } from '../../runner/src/config/checks/check-plugins.ts'
import { parseConfig } from '../../runner/src/config/parse-config.ts'
import { createInstanceGroup } from '../src/index.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

test("the README's first configuration is one that the runner and the plugin take", async () => {
  const { settings, warnings } = parseConfig(read('setup/config.toml'))
  expect(warnings).toEqual([])
  expect(await checkPlugins(settings.runners, async () => ({ createInstanceGroup }))).toEqual([])
})

test('the README names each finding, each key and its words, each call and each bucket that the code has', () => {
  const readme = read('README.md')
  const words = [
    ...read('src/findings.ts').matchAll(/(?:code: |notSuspended\(\s*)'(\w+)'/g),
    ...read('src/user-data-key.ts').matchAll(/code: '(\w+)'/g),
    ...read('src/config.ts').matchAll(/table\.\w+\('(\w+)'/g),
    ...read('src/config.ts').matchAll(/\['([\w-]+)', '([\w-]+)'/g),
    ...read('src/rate-limits.ts').matchAll(/^ {2}'([\w:-]+)': \{/gm),
    ...[...read('src/client.ts').matchAll(/\(\)\)\.(\w+)\(/g)].map(([, call]) => [
      call,
      call![0]!.toUpperCase() + call!.slice(1),
    ]),
  ].map(([, word]) => word!)
  expect(words.length).toBeGreaterThan(35)
  expect(words.filter((word) => !readme.includes(word))).toEqual([])
})
