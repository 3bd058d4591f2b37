import fc from 'fast-check'
import { expect, test } from 'vitest'
import { directoryOf, escapeCapitals, parseReference, unescapeCapitals } from './plugin-reference.ts'

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`

test.each([
  ['aws', 'registry.gitlab.com', 'gitlab-org/fleeting/plugins/aws', 'latest'],
  ['aws:1.5', 'registry.gitlab.com', 'gitlab-org/fleeting/plugins/aws', '1.5'],
  ['group/moon:1', 'registry.gitlab.com', 'group/moon', '1'],
  ['registry.example.com:5000/group/moon', 'registry.example.com:5000', 'group/moon', 'latest'],
  ['registry.example.com:5000/moon:1', 'registry.example.com:5000', 'moon', '1'],
  ['localhost:5000/moon:1.0.0-rc.1', 'localhost:5000', 'moon', '1.0.0-rc.1'],
  ['docker.io/acme/moon', 'index.docker.io', 'acme/moon', 'latest'],
  ['index.docker.io/moon', 'index.docker.io', 'library/moon', 'latest'],
  ['ghcr.io/acme/moon:v1', 'ghcr.io', 'acme/moon', 'v1'],
])('%s means version %4$s of %3$s at %2$s', (reference, registry, repository, wanted) => {
  expect(parseReference(reference)).toEqual({ registry, repository, wanted })
})

test('by digest', () => {
  expect(parseReference(`aws@${digest}`)).toEqual({
    registry: 'registry.gitlab.com',
    repository: 'gitlab-org/fleeting/plugins/aws',
    wanted: digest,
    digest,
  })
})

test.each([
  '',
  ':1',
  'aws:',
  'aws:1:2',
  'aws/',
  '/aws',
  '..',
  'a/../b',
  'a//b',
  '.hidden/x/y',
  'aws@sha256:12',
  'aws:1/2',
  'a b',
  'host.example:99/../x',
  'npm:@acme/x',
])('%j is none', (reference) => {
  expect(parseReference(reference)).toBeUndefined()
})

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9_.-]{0,8}[a-z0-9])?$/)
const host = fc.tuple(label, fc.constantFrom('example.com', 'test'), fc.option(fc.integer({ min: 1, max: 65535 })))
const version = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}$/)

test('what is put together is taken apart again', () => {
  fc.assert(
    fc.property(
      host,
      fc.array(label, { minLength: 1, maxLength: 4 }),
      fc.option(version),
      ([name, domain, port], path, wanted) => {
        const registry = `${name}.${domain}${port === null ? '' : `:${port}`}`
        const repository = path.join('/')
        const reference = `${registry}/${repository}${wanted === null ? '' : `:${wanted}`}`
        expect(parseReference(reference)).toEqual({ registry, repository, wanted: wanted ?? 'latest' })
      },
    ),
  )
})

test('no reference leads out of the directory of plugins, and no two share a directory', () => {
  const seen = new Map<string, string>()
  fc.assert(
    fc.property(fc.oneof(fc.stringMatching(/^[\w./:!@-]{1,16}$/), fc.string({ maxLength: 12 })), (text) => {
      const parsed = parseReference(text)
      if (parsed === undefined) return
      const directory = directoryOf(parsed, '/plugins')
      expect(directory).toMatch(/^\/plugins\/[^/]+(\/[^/]+)+$/)
      // On a file system that makes no difference between capitals and others, too.
      const key = directory.toLowerCase()
      const name = `${parsed.registry}/${parsed.repository}`
      expect(seen.get(key) ?? name).toBe(name)
      seen.set(key, name)
    }),
    { numRuns: 2000 },
  )
})

test('capitals come back', () => {
  fc.assert(fc.property(version, (text) => unescapeCapitals(escapeCapitals(text)) === text))
  expect(escapeCapitals('1.0.0-RC.1')).toBe('1.0.0-!r!c.1')
})
