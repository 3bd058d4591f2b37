import fc from 'fast-check'
import { expect, test } from 'vitest'
import { longestAuthConfig, parseAuthConfig } from './auth-config.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const parse = (value: unknown) => parseAuthConfig(JSON.stringify(value))

test('entries are read in each of the forms that docker login writes', () => {
  const { entries, stored, secrets, problems } = parse({
    auths: {
      'https://index.docker.io/v1/': { auth: base64('me:pass:word') },
      'r.io': { username: 'you', password: 'pw-of-you' },
      'cloud.io': { auth: base64('<token>:'), identitytoken: 'the-identity' },
      'token.io': { registrytoken: 'the-token' },
      'padded.io': { auth: base64('me:padded\0\0') },
      'stored.io': {},
    },
  })
  expect(entries.map(({ path, credentials }) => [path, credentials])).toEqual([
    ['docker.io', { username: 'me', password: 'pass:word' }],
    ['r.io', { username: 'you', password: 'pw-of-you' }],
    ['cloud.io', { identitytoken: 'the-identity' }],
    ['token.io', { registrytoken: 'the-token' }],
    ['padded.io', { username: 'me', password: 'padded' }],
  ])
  expect(stored).toEqual([{ path: 'stored.io', address: 'stored.io' }])
  expect(secrets).toEqual(
    expect.arrayContaining(['pass:word', base64('me:pass:word'), 'pw-of-you', 'the-identity', 'the-token', 'padded']),
  )
  expect(problems).toEqual([])
})

test('what is wrong with one entry costs only that entry, and no secret is quoted', () => {
  const { entries, helpers, problems } = parse({
    auths: {
      'a.io': { auth: 'hidden%%' },
      'b.io': 'hidden',
      'https://u:hidden@c.io/v1/': 5,
      'd.io': { auth: base64('x:y') },
    },
    credHelpers: { 'e.io': { hidden: 1 }, 'f.io': 'ecr-login' },
    credsStore: 7,
  })
  expect(entries.map(({ path }) => path)).toEqual(['d.io'])
  expect(helpers).toEqual([{ path: 'f.io', address: 'f.io', helper: 'ecr-login' }])
  expect(problems).toEqual([
    'auths: the entry for "a.io" is invalid',
    'auths: the entry for "b.io" is invalid',
    'auths: the entry for "https://c.io/v1/" is invalid',
    'credHelpers: the entry for "e.io" is invalid',
    'credsStore is invalid',
  ])
})

test.each([
  ['hidden', 'it is not valid JSON'],
  ['["hidden"]', 'it is not a JSON object'],
  ['null', 'it is not a JSON object'],
  [`{"a":"${'x'.repeat(longestAuthConfig)}"}`, 'it has more than 131072 characters'],
])('%.20j is not a file of credentials', (text, message) => {
  expect(() => parseAuthConfig(text)).toThrow(expect.objectContaining({ code: 'invalid_auth_config', message }))
})

test('any JSON is either read or rejected', () => {
  const value = fc.object({ key: fc.constantFrom('auths', 'credHelpers', 'credsStore', 'auth', 'username', 'r.io') })
  fc.assert(
    fc.property(value, (each) => {
      const { secrets, problems } = parse(each)
      for (const problem of problems) for (const secret of secrets) expect(problem).not.toContain(`"${secret}"`)
    }),
  )
})
