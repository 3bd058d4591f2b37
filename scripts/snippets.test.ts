// Every code block of a README and of the docs in TypeScript or TOML is a file of the repository, so that something
// runs or reads it.
import { globSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'

const pages = globSync(['**/README.md', 'docs/**/*.md'], {
  // What is made from types (`npm run reference`) shows comments' examples.
  exclude: ({ name, parentPath }) =>
    name === 'node_modules' || name === 'dist' || (name === 'api' && parentPath.endsWith('reference')),
  withFileTypes: true,
})
  .map(({ parentPath, name }) => relative('.', join(parentPath, name)))
  .sort()
const block = /(?:<!-- file: (\S+) -->\n)?```(ts|toml)\n([\s\S]*?)```/g

test.each(pages)('%s shows code that is a file', (page) => {
  for (const [, file, , code] of readFileSync(page, 'utf8').matchAll(block)) {
    expect(file, `${page}: a code block without a "<!-- file: path -->" line above it:\n${code}`).toBeDefined()
    expect(code, `${page} and ${file} differ`).toBe(readFileSync(file ?? '', 'utf8'))
  }
})
