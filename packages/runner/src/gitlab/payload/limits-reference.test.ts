import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { limitsReference } from './limits-reference.ts'

test('docs/reference/limits.md is what `npm run reference -w packages/runner` writes', () => {
  expect(readFileSync(new URL('../../../../../docs/reference/limits.md', import.meta.url), 'utf8')).toBe(
    limitsReference(),
  )
})
