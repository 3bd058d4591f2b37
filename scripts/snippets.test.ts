// Every code block of the README and docs in TypeScript or TOML is a file of the repository, so that something runs or reads it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const pages = [
  'README.md',
  'packages/cloud-fakes/README.md',
  'packages/fleeting-plugin-aws/README.md',
  'packages/fleeting-plugin-gce/README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
]
const block = /(?:<!-- file: (\S+) -->\n)?```(ts|toml)\n([\s\S]*?)```/g

test.each(pages)('%s shows code that is a file', (page) => {
  for (const [, file, , code] of readFileSync(page, 'utf8').matchAll(block)) {
    expect(file, `${page}: a code block without a "<!-- file: path -->" line above it:\n${code}`).toBeDefined()
    expect(code, `${page} and ${file} differ`).toBe(readFileSync(file ?? '', 'utf8'))
  }
})
