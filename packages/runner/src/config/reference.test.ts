import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { configReference } from './reference.ts'

test('docs/reference/config.md is what `npm run reference -w packages/runner` writes', () => {
  expect(readFileSync(new URL('../../../../docs/reference/config.md', import.meta.url), 'utf8')).toBe(configReference())
})
