import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { keysReference, keyVerdict } from './key-verdicts.ts'
import { upstreamKeys } from './upstream-keys.ts'

const names = Object.entries(upstreamKeys).flatMap(([table, keys]) =>
  keys.map((key) => (table === '' ? key : `${table}.${key}`)),
)

test('every key of GitLab Runner has a verdict', () => {
  expect(names.length).toBeGreaterThan(250)
  expect(names.filter((name) => keyVerdict(name) === undefined)).toEqual([])
})

test('a verdict that is not heeded says what to do, or why nothing is lost', () => {
  const silent = names.filter((name) => {
    const { is, note } = keyVerdict(name)!
    return (is === 'heeded') !== (note === '')
  })
  expect(silent).toEqual([])
})

test.each([
  ['runners.pre_build_script', 'heeded'],
  ['runners.docker.services.alias', 'heeded'],
  ['runners.referees.metrics.queries', 'refused'],
  ['runners.kubernetes.image', 'not applicable'],
  ['runners.token_obtained_at', 'without effect'],
])('%s is %s', (name, is) => {
  expect(keyVerdict(name)?.is).toBe(is)
})

test.each(['pre_build_script', 'runners.nonsense', 'runners.docker.image.nonsense'])('nothing knows %s', (name) => {
  expect(keyVerdict(name)).toBeUndefined()
})

test('docs/reference/config-keys.md is what `npm run reference -w packages/runner` writes', () => {
  const page = new URL('../../../../docs/reference/config-keys.md', import.meta.url)
  expect(readFileSync(page, 'utf8')).toBe(keysReference())
})
