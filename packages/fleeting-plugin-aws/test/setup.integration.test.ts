import { readFileSync } from 'node:fs'
import { checkSetup } from '@runner-core/testkit/config/check-setup'
import { expect, test } from 'vitest'
import { createInstanceGroup } from '../src/index.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

test("the README's first configuration is one that the runner and the plugin take", async () => {
  expect(await checkSetup(read('setup/config.toml'), createInstanceGroup)).toEqual({ warnings: [], problems: [] })
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
