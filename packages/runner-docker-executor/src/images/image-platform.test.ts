import { expect, test } from 'vitest'
import { formatPlatform, matchesPlatform, parsePlatform } from './image-platform.ts'

const parse = (text: string) => parsePlatform(text, { architecture: 's390x' })

test.each([
  ['linux/arm64/v8', 'linux/arm64/v8'],
  ['linux/arm64', 'linux/arm64'],
  ['arm64', 'linux/arm64'],
  ['Linux/x86_64', 'linux/amd64'],
  ['aarch64', 'linux/arm64'],
  ['armhf', 'linux/arm/v7'],
  ['linux/arm/v6', 'linux/arm/v6'],
  ['linux', 'linux/s390x'],
  ['windows/amd64', 'windows/amd64'],
  ['constructor', 'linux/constructor'],
])('%s is %s', (text, expected) => {
  expect(formatPlatform(parse(text))).toBe(expected)
})

test.each([[''], ['a/b/c/d'], ['linux/'], ['linux/a b'], ['linux/../x'], ['x'.repeat(200)]])(
  '%j is not a platform',
  (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'invalid_platform' }))
  },
)

test.each([
  ['linux/arm64/v8', 'linux/arm64', true],
  ['linux/arm64', 'linux/arm64/v8', true],
  ['linux/arm', 'linux/arm/v7', true],
  ['linux/arm/v6', 'linux/arm/v7', false],
  ['linux/amd64', 'linux/arm64', false],
  ['windows/amd64', 'linux/amd64', false],
])('an image for %s, where %s is asked for, will do: %j', (image, wanted, expected) => {
  expect(matchesPlatform(parse(image), parse(wanted))).toBe(expected)
})
