import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { keyNotInUserData, letsIn } from './user-data-key.ts'

const publicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5'
const cloudConfig = `#cloud-config\nssh_authorized_keys:\n  - ${publicKey} fleet\n`

test.each([
  ['plain', Buffer.from(cloudConfig), true],
  ['compressed', gzipSync(cloudConfig), true],
  ['of another key', Buffer.from(cloudConfig.replace('AAAAC3', 'AAAAB3')), false],
  ['empty', Buffer.alloc(0), false],
  ['compressed and broken', gzipSync(cloudConfig).subarray(0, 12), false],
])('user data, %s: %s', (_what, data, expected) => {
  expect(letsIn(data.toString('base64'), publicKey)).toBe(expected)
})

test('the finding says what to add', () => {
  expect(keyNotInUserData(publicKey).fix).toContain(publicKey)
})
