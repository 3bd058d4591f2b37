import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseChallenges } from './challenge.ts'

test.each([
  [
    'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
    [
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.example/token',
          service: 'registry.example',
          scope: 'repository:a/b:pull,push',
        },
      },
    ],
  ],
  ['Basic realm="a \\"quoted\\" one"', [{ scheme: 'basic', parameters: { realm: 'a "quoted" one' } }]],
  [
    'Negotiate, Basic realm=x , Bearer Realm = "y"',
    [
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'x' } },
      { scheme: 'bearer', parameters: { realm: 'y' } },
    ],
  ],
  ['', []],
  ['realm="nobody\'s"', []],
])('%s', (header, challenges) => {
  expect(parseChallenges(header)).toEqual(challenges)
})

test('no header is too odd', () => {
  fc.assert(fc.property(fc.string(), (header) => Array.isArray(parseChallenges(header))))
})

test('what is quoted comes back as it was', () => {
  const parameters = fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.string({ unit: 'grapheme-ascii' }), {
    minKeys: 1,
    maxKeys: 4,
  })
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('Bearer', 'Basic'), parameters), { maxLength: 3 }), (told) => {
      const header = told
        .map(
          ([scheme, all]) =>
            `${scheme} ${Object.entries(all)
              .map(([name, value]) => `${name}="${value.replaceAll(/["\\]/g, '\\$&')}"`)
              .join(', ')}`,
        )
        .join(', ')
      expect(parseChallenges(header)).toEqual(
        told.map(([scheme, all]) => ({ scheme: scheme.toLowerCase(), parameters: { ...all } })),
      )
    }),
  )
})
