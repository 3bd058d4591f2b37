import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sanitizeCacheKey } from './cache-key.ts'

test.each([
  ['default', 'default'],
  ['a/b', 'a/b'],
  ['a//b/./c/', 'a/b/c'],
  ['../../etc', 'etc'],
  ['a/../../b', 'b'],
  ['a%2fb%2F%2e%2E%2fc', 'a/c'],
  ['a\\b\\..\\c', 'a/c'],
  ['  key \t', '  key'],
  ['key/ / \u00a0', 'key'],
  ['a /b ', 'a /b'],
  ['a/b/.. ', 'a'],
  ['a/. ', 'a'],
  ['main-protected', 'main-protected'],
  ['größe/🦊', 'größe/🦊'],
  ['\ud800', '\ufffd'],
  ['…', '…'],
])('%j is the key %j', (raw, key) => {
  expect(sanitizeCacheKey(raw)).toEqual({ key })
})

test.each(['', '.', '..', '/', '%2e%2e', '\\', ' ', './ /.', '.. ', 'a/.. ', 'a\0b'])('%j is none', (raw) => {
  expect(sanitizeCacheKey(raw)).toEqual({ problem: `cache key ${JSON.stringify(raw)} could not be sanitized` })
})

const nasty = fc.array(
  fc.constantFrom('..', '.', '/', '\\', '%2e', '%2F', '%252e', ' ', 'a', 'é', '\n', '\0', '\udc00'),
  { maxLength: 12 },
)

test('whatever a key is, it leads nowhere else, and is the same when it is sanitized again', () => {
  fc.assert(
    fc.property(
      nasty.map((parts) => parts.join('')),
      (raw) => {
        const sanitized = sanitizeCacheKey(raw)
        if ('problem' in sanitized) return
        const segments = sanitized.key.split('/')
        for (const segment of segments) expect(['', '.', '..']).not.toContain(segment)
        expect(sanitized.key).not.toMatch(/\0|\\/)
        expect(() => encodeURIComponent(sanitized.key)).not.toThrow()
      },
    ),
  )
})
