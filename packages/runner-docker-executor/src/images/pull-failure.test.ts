import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type PullFailureKind,
  pullFailure,
  pullFailureKind,
  pullFailureReason,
  withoutCredentials,
} from './pull-failure.ts'

// Words of dockerd 20.10 and later, and of podman.
test.each<[string, PullFailureKind, string, boolean]>([
  [
    'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
    'unreachable',
    'runner_external_dependency_failure',
    true,
  ],
  [
    'Get "https://x/v2/": dial tcp: lookup x on 10.0.0.1:53: no such host',
    'unreachable',
    'runner_external_dependency_failure',
    true,
  ],
  ['Get "https://x/v2/": net/http: TLS handshake timeout', 'unreachable', 'runner_external_dependency_failure', true],
  [
    'read tcp 1.2.3.4:5->6.7.8.9:443: read: connection reset by peer',
    'unreachable',
    'runner_external_dependency_failure',
    true,
  ],
  ['Get "https://x/v2/": x509: certificate signed by unknown authority', 'untrusted', 'image_pull_failure', false],
  ['Get "https://x/v2/": http: server gave HTTP response to HTTPS client', 'untrusted', 'image_pull_failure', false],
  ['manifest for x/y:z not found: manifest unknown: manifest unknown', 'unknown', 'runner_configuration_error', false],
  [
    "pull access denied for x, repository does not exist or may require 'docker login': denied",
    'denied',
    'runner_configuration_error',
    false,
  ],
  ['unauthorized: authentication required', 'denied', 'runner_configuration_error', false],
  ['Get "https://x/v2/": no basic auth credentials', 'denied', 'runner_configuration_error', false],
  ['no matching manifest for linux/s390x in the manifest list entries', 'platform', 'image_pull_failure', false],
  ['toomanyrequests: You have reached your pull rate limit', 'limited', 'image_pull_failure', false],
  ['received unexpected HTTP status: 502 Bad Gateway', 'broken', 'image_pull_failure', true],
  ['unexpected EOF', 'broken', 'image_pull_failure', true],
  ['something else', 'other', 'image_pull_failure', false],
])('%s', (words, kind, reason, isTransient) => {
  expect(pullFailureKind(words)).toBe(kind)
  expect(pullFailureReason(words)).toBe(reason)
  const failure = pullFailure(words, { registry: 'x', source: undefined, secrets: [] })
  expect(failure.isTransient).toBe(isTransient)
  expect(failure.message).toContain(words)
})

test('a refusal says whether there were credentials, and from where', () => {
  const words = 'unauthorized: authentication required'
  expect(pullFailure(words, { registry: 'r.io', source: undefined, secrets: [] }).message).toBe(
    `there are no credentials for r.io, and it asks for some or does not have this image: ${words}`,
  )
  expect(pullFailure(words, { registry: 'r.io', source: '$DOCKER_AUTH_CONFIG', secrets: [] }).message).toBe(
    `r.io does not accept the credentials from $DOCKER_AUTH_CONFIG, or does not have this image: ${words}`,
  )
})

test.each([
  ['no pass:word here', 'no [MASKED] here'],
  ['Get "https://me:hid@den@r.io/v2/?token=hidden": no', 'Get "https://r.io/v2/": no'],
  ['Get https://r.io/x?sig=hidden&b=1 failed', 'Get https://r.io/x failed'],
  ['one\n\x1b[31mERROR: two\r\n', 'one [31mERROR: two'],
])('%j is shown as %j', (words, expected) => {
  expect(withoutCredentials(words, ['pass', 'pass:word'])).toBe(expected)
})

test('no secret is left, and no more than fits into a line', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab:/?@ \n'.split('')), maxLength: 3000 })
  fc.assert(
    fc.property(text, (words) => {
      const shown = withoutCredentials(words, ['ab', 'abab'])
      expect(shown).not.toContain('ab')
      expect(shown.length).toBeLessThanOrEqual(1000)
    }),
  )
})
