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

test('the README names each finding, each key and each state word that the code has', () => {
  const readme = read('README.md')
  const words = [
    ...read('src/findings.ts').matchAll(/code: '(\w+)'/g),
    ...read('src/config.ts').matchAll(/table[,.].*?'(\w+)'/g),
    ...read('src/states.ts').matchAll(/\['([A-Z_]+)', '/g),
  ].map(([, word]) => word!)
  expect(words.length).toBeGreaterThan(35)
  expect(words.filter((word) => !readme.includes(`\`${word}\``))).toEqual([])
})
