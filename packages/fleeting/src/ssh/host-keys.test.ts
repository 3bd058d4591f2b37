import { expect, test } from 'vitest'
import { newKey } from '../../test/memory-ssh-server.ts'
import type { ConnectInfo } from '../contract/instance-group.ts'
import { allowedMacs, preferredAlgorithms } from './algorithms.ts'
import { HostKeys } from './host-keys.ts'

const info = (hostKeys?: string[], instanceId = 'i-1'): ConnectInfo => ({
  instanceId,
  protocol: 'ssh',
  username: 'ci',
  ...(hostKeys === undefined ? {} : { hostKeys }),
})
const blob = (key: string): Buffer => Buffer.from(key.split(' ')[1]!, 'base64')
const [first, second] = [newKey().publicKey, newKey().publicKey]

test('known keys count, in every mode that checks, and a comment after one does not', () => {
  for (const mode of ['pin', 'strict'] as const) {
    expect(new HostKeys(mode).expected(info([first, `${second} root@machine\n`]))).toEqual([blob(first), blob(second)])
  }
  expect(new HostKeys('off').expected(info([first]))).toEqual([])
})

test('strict knows no other', () => {
  expect(() => new HostKeys('strict').expected(info())).toThrow(expect.objectContaining({ code: 'invalid_config' }))
  expect(() => new HostKeys('strict').expected(info([]))).toThrow(/no host key is known/)
})

test('the first key is pinned, per instance, until it is forgotten', () => {
  const keys = new HostKeys('pin')
  expect(keys.expected(info())).toEqual([])
  keys.pin('i-1', blob(first))
  expect(keys.expected(info())).toEqual([blob(first)])
  expect(keys.expected(info(undefined, 'i-2'))).toEqual([])
  keys.pin('i-1', blob(first))
  expect(() => keys.pin('i-1', blob(second))).toThrow(expect.objectContaining({ code: 'host_key_mismatch' }))
  keys.forget('i-1')
  expect(keys.expected(info())).toEqual([])
})

test.each([
  '',
  'ssh-ed25519',
  'ssh-ed25519 AAAA',
  'ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==',
  'host ssh-ed25519 AAAA',
  '@cert',
])('not a host key: %j', (text) => {
  expect(() => new HostKeys('pin').expected(info([text]))).toThrow(expect.objectContaining({ code: 'invalid_config' }))
})

test('a server with several keys is asked for one of a known kind first', () => {
  const rsa = blob('ssh-rsa AAAAB3NzaC1yc2EAAAAD')
  expect(preferredAlgorithms([rsa]).slice(0, 2)).toEqual(['rsa-sha2-512', 'rsa-sha2-256'])
  expect(preferredAlgorithms([rsa], true).slice(0, 3)).toEqual(['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'])
  expect(preferredAlgorithms([])[0]).toBe('ssh-ed25519')
  expect(new Set(preferredAlgorithms([rsa]))).toEqual(new Set(preferredAlgorithms([])))
})

test('nothing with SHA-1 is offered unless it is allowed', () => {
  expect([...preferredAlgorithms([]), ...allowedMacs()].filter((name) => /^ssh-rsa$|sha1/.test(name))).toEqual([])
  expect([...preferredAlgorithms([], true), ...allowedMacs(true)]).toEqual(
    expect.arrayContaining(['ssh-rsa', 'hmac-sha1']),
  )
})
