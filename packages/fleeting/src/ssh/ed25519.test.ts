import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { ParsedKey } from 'ssh2'
import { expect, test } from 'vitest'
import { openSshKeyPair } from './ed25519.ts'
import { parsePrivateKey } from './private-key.ts'

test('can be read again, also those keys whose public half begins with a zero', () => {
  let zeros = 0
  for (let made = 0; made < 100_000 && zeros < 2; made += 1) {
    const key = generateKeyPairSync('ed25519').privateKey
    const x = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x!, 'base64url')
    if (x[0] !== 0 && made > 3) continue
    if (x[0] === 0) zeros += 1
    const pair = openSshKeyPair(key)
    const parsed = parsePrivateKey(pair.privateKey) as ParsedKey
    expect(`${parsed.type} ${parsed.getPublicSSH().toString('base64')}`).toBe(pair.publicKey)
    expect(parsed.verify(Buffer.from('data'), sign(undefined, Buffer.from('data'), key))).toBe(true)
  }
  expect(zeros).toBe(2)
})
