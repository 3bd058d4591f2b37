import { expect, test } from 'vitest'
import { consoleHostKeys } from './console-host-keys.ts'

const section = (...lines: string[]) =>
  ['-----BEGIN SSH HOST KEY KEYS-----', ...lines, '-----END SSH HOST KEY KEYS-----', ''].join('\r\n')

test('the keys that cloud-init prints are found, without comments', () => {
  const output = `[   11.1] boot\r\n${section('ecdsa-sha2-nistp256 AAAAE2Vj= root@ip-10-0-0-1', 'ssh-ed25519 AAAAC3Nz root@ip-10-0-0-1', 'ssh-rsa AAAAB3Nz== x')}login:`
  expect(consoleHostKeys(output)).toEqual([
    'ecdsa-sha2-nistp256 AAAAE2Vj=',
    'ssh-ed25519 AAAAC3Nz',
    'ssh-rsa AAAAB3Nz==',
  ])
})

test('of several boots the last one counts', () => {
  expect(consoleHostKeys(section('ssh-ed25519 AAAAold') + section('ssh-ed25519 AAAAnew'))).toEqual([
    'ssh-ed25519 AAAAnew',
  ])
})

test.each([
  ['', 'nothing'],
  ['ssh-ed25519 AAAAC3Nz', 'a key outside of the section'],
  ['-----BEGIN SSH HOST KEY KEYS-----\r\nssh-ed25519 AAAAC3Nz', 'a section that is cut off'],
])('none is found in %j: %s', (output) => {
  expect(consoleHostKeys(output)).toEqual([])
})
