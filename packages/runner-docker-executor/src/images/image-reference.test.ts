import fc from 'fast-check'
import { expect, test } from 'vitest'
import { credentialPathOf, credentialPaths, fullImageName, parseImageReference } from './image-reference.ts'

const hex = 'a'.repeat(64)
const digest = `sha256:${hex}`

test.each([
  ['ruby', 'ruby:latest', 'docker.io/library/ruby:latest'],
  ['ruby:3.1', 'ruby:3.1', 'docker.io/library/ruby:3.1'],
  ['group/image', 'group/image:latest', 'docker.io/group/image:latest'],
  ['index.docker.io/ruby:1', 'index.docker.io/ruby:1', 'docker.io/library/ruby:1'],
  ['localhost/x', 'localhost/x:latest', 'localhost/x:latest'],
  ['registry:5000/a/b/c:v1', 'registry:5000/a/b/c:v1', 'registry:5000/a/b/c:v1'],
  ['Registry.Example.COM/a', 'Registry.Example.COM/a:latest', 'registry.example.com/a:latest'],
  ['[::1]:5000/a', '[::1]:5000/a:latest', '[::1]:5000/a:latest'],
  [`ruby@${digest}`, `ruby@${digest}`, `docker.io/library/ruby@${digest}`],
  [`r.io/a:1.2@${digest}`, `r.io/a@${digest}`, `r.io/a@${digest}`],
  ['r.io/a__b/c--d/e.f_g', 'r.io/a__b/c--d/e.f_g:latest', 'r.io/a__b/c--d/e.f_g:latest'],
])('%s is asked for as %s, and is %s in full', (text, name, full) => {
  const image = parseImageReference(text)
  if (image.kind !== 'name') throw new Error('it is an id')
  expect(image.name).toBe(name)
  expect(fullImageName(image)).toBe(full)
})

test.each([[hex], [digest]])('%s is the id of an image', (text) => {
  expect(parseImageReference(text)).toEqual({ kind: 'id', name: digest })
})

test.each([
  ['', 'it is empty'],
  ['Ruby', 'a repository must be lower case'],
  ['r.io/Group/x', 'a repository must be lower case'],
  ['ruby:', 'what follows the last colon is not a tag'],
  ['ruby:a b', 'what follows the last colon is not a tag'],
  [`ruby:${'x'.repeat(129)}`, 'what follows the last colon is not a tag'],
  ['ruby@sha256:abc', 'what follows the @ is not a digest'],
  [`ruby@sha256:${'A'.repeat(64)}`, 'what follows the @ is not a digest'],
  ['r.io//x', 'a part between slashes is empty'],
  ['r.io/', 'a part between slashes is empty'],
  ['/x', 'a part between slashes is empty'],
  ['a/../b', '".." has a character that is not allowed there'],
  ['-x', '"-x" has a character that is not allowed there'],
  ['$IMAGE', 'a repository must be lower case'],
  ['https://r.io/x', '"https:" is not a registry'],
  [`r.io/${'x'.repeat(260)}`, 'registry and repository have more than 255 characters'],
  ['x'.repeat(5000), 'it has more than 1024 characters'],
])('%j is not a valid name: %s', (text, why) => {
  expect(() => parseImageReference(text)).toThrow(
    expect.objectContaining({
      code: 'invalid_image_name',
      message: expect.stringMatching(new RegExp(`: ${literally(why)}$`)),
    }),
  )
})

const literally = (text: string): string => text.replace(/[.\\^$*+?()[\]{}|]/g, '\\$&')

test('the name for the Engine denotes the same image as the given one', () => {
  const part = fc.stringMatching(/^[a-z0-9]{1,5}([._-][a-z0-9]{1,3})?$/)
  const registry = fc.constantFrom('', 'docker.io/', 'localhost/', 'r.io/', 'R.io:5000/', '127.0.0.1:1/')
  const tag = fc.constantFrom('', ':latest', ':1.0-x')
  const end = fc.constantFrom('', `@${digest}`)
  const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
  fc.assert(
    fc.property(registry, name, tag, end, (...texts) => {
      const image = parseImageReference(texts.join(''))
      if (image.kind !== 'name') return
      expect(parseImageReference(image.name)).toEqual(image)
      expect(parseImageReference(fullImageName(image))).toMatchObject({
        registry: image.registry,
        repository: image.repository,
        tag: image.tag,
        digest: image.digest,
      })
    }),
  )
})

test('any text is either a reference or rejected as a name', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'aB0/:@._-[] $'.split('')) }), (text) => {
      try {
        expect(parseImageReference(text).name).not.toBe('')
      } catch (error) {
        expect(error).toMatchObject({ code: 'invalid_image_name' })
      }
    }),
  )
})

test('credentials are looked for under the whole name first, and under the registry last', () => {
  const pathsOf = (text: string): readonly string[] => {
    const image = parseImageReference(text)
    return image.kind === 'name' ? credentialPaths(image) : []
  }
  expect(pathsOf('r.io:5000/a/b:1')).toEqual(['r.io:5000/a/b', 'r.io:5000/a', 'r.io:5000'])
  expect(pathsOf('ruby')).toEqual(['docker.io/library/ruby', 'docker.io/library', 'docker.io'])
})

test.each([
  ['https://index.docker.io/v1/', 'docker.io'],
  ['index.docker.io/v1/', 'docker.io'],
  ['docker.io', 'docker.io'],
  ['HTTP://R.io:5000/v2/', 'r.io:5000'],
  ['R.io/Group/x/', 'r.io/Group/x'],
  ['r.io:443', 'r.io:443'],
  ['r.io/a/b:tag', 'r.io/a/b'],
])('credentials filed under %s are for %s', (key, path) => {
  expect(credentialPathOf(key)).toBe(path)
})
