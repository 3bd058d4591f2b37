import { expect, test } from 'vitest'
import { checkImageAllowed, imageListProblems, matchesImageList, mayBePrivileged } from './allowed-images.ts'

test.each([
  [['ruby:*', 'python:*'], 'python:3.12', true],
  [['ruby:*'], 'ruby', false],
  [['ruby*'], 'ruby', true],
  [['ruby:*'], 'ruby:3.1@sha256:aa', true],
  [['ruby:*'], 'evil/ruby:3', false],
  [['ruby:*'], 'docker.io/library/ruby:3', false],
  [['my.registry.tld:5000/*:*'], 'my.registry.tld:5000/ruby:3', true],
  [['my.registry.tld:5000/*:*'], 'my.registry.tld:5000/group/ruby:3', false],
  [['my.registry.tld:5000/**'], 'my.registry.tld:5000/group/ruby:3', true],
  [['my.registry.tld:5000/**/*:*'], 'my.registry.tld:5000/ruby:3', true],
  [['**'], 'any/thing:at-all', true],
  [['*'], 'a/b', false],
  [['{ruby,python}:3.?'], 'python:3.9', true],
  [['ruby:[0-9]'], 'ruby:x', false],
  [['ruby:[^0-9]'], 'ruby:x', true],
  [['ruby:[', 'node'], 'node', true],
  [['ruby:['], 'ruby:[', false],
  [['$CI_REGISTRY/**'], 'r.io/x', false],
])('the list %j, asked for %s, says %j', (patterns, image, expected) => {
  expect(matchesImageList(patterns, image)).toBe(expected)
})

test.each([
  [['**', '!*/kali*'], 'kalilinux/kali-rolling', false],
  [['!*/kali*', '**'], 'kalilinux/kali-rolling', false],
  [['**', '!*/kali*'], 'docker.io/kalilinux/kali-rolling:latest', false],
  [['**', '!*/kali*'], 'index.docker.io/kalilinux/kali', false],
  [['**', '!ruby:latest'], 'ruby', false],
  [['**', '!*/kali*'], 'ruby', true],
  [['!*/kali*'], 'ruby', false],
])('the list %j, asked for %s, takes out what follows a "!": %j', (patterns, image, expected) => {
  expect(matchesImageList(patterns, image)).toBe(expected)
})

const use = { list: 'allowed_images', patterns: ['ruby:*', 'node:*'], ofConfiguration: ['alpine'] } as const

test('an image that the list does not mean ends the job, and the message holds the list', () => {
  expect(() => checkImageAllowed({ ...use, image: 'kali' })).toThrow(
    expect.objectContaining({
      code: 'not_allowed',
      reason: 'runner_system_failure',
      message:
        'the "kali" image is not present on list of allowed images (allowed_images of the runner): ruby:*, node:*',
    }),
  )
  expect(() => checkImageAllowed({ ...use, list: 'allowed_services', image: 'x' })).toThrow(
    'list of allowed services (allowed_services of the runner)',
  )
})

test('the image of the configuration may always be used, and so may any where there is no list', () => {
  checkImageAllowed({ ...use, image: 'alpine' })
  checkImageAllowed({ ...use, image: 'node:20' })
  checkImageAllowed({ ...use, patterns: [], image: 'kali' })
})

test('where no list names the privileged images, all are', () => {
  expect(mayBePrivileged([], 'x')).toBe(true)
  expect(mayBePrivileged(['docker:*-dind'], 'docker:27-dind')).toBe(true)
  expect(mayBePrivileged(['docker:*-dind'], 'docker:27')).toBe(false)
})

test('a list of patterns is told what is wrong in it', () => {
  expect(imageListProblems(['ruby:*', '!x', 'ruby:[', '!{a'])).toEqual([
    expect.stringMatching(/^"ruby:\[": /),
    expect.stringMatching(/^"!\{a": /),
  ])
})

test('a pattern that is made to be slow takes as long as it is long', () => {
  expect(matchesImageList([`${'*a'.repeat(200)}b`], 'a'.repeat(1000))).toBe(false)
})
