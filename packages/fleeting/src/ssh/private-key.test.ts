import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import ssh2, { type ParsedKey } from 'ssh2'
import { expect, test } from 'vitest'
import { openSshKeyPair } from './ed25519.ts'
import { parsePrivateKey } from './private-key.ts'

const make = {
  rsa: () => generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
  ec: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  ed25519: () => generateKeyPairSync('ed25519').privateKey,
}
const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1'): string =>
  key.export({ type: type as 'pkcs8', format: 'pem' }).toString()

test.each([
  ['rsa', 'pkcs1'],
  ['rsa', 'pkcs8'],
  ['ec', 'sec1'],
  ['ec', 'pkcs8'],
  ['ed25519', 'pkcs8'],
] as const)('%s in %s signs as the same key', (kind, format) => {
  const key = make[kind]()
  const parsed = parsePrivateKey(pem(key, format)) as ParsedKey
  const data = Buffer.from('to be signed')
  const hash = kind === 'ed25519' ? undefined : 'sha256'
  expect(verify(hash, data, createPublicKey(key), parsed.sign(data, hash))).toBe(true)
  expect(parsed.verify(data, sign(hash, data, key), hash)).toBe(true)
})

test("OpenSSH's format", () => {
  const pair = openSshKeyPair(make.ed25519())
  const parsed = parsePrivateKey(pair.privateKey) as ParsedKey
  expect(`${parsed.type} ${parsed.getPublicSSH().toString('base64')}`).toBe(pair.publicKey)
})

test('says what is wrong, and nothing of the key', () => {
  const encrypted = generateKeyPairSync('ed25519')
    .privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hush' })
    .toString()
  const openSsh = ssh2.utils.generateKeyPairSync('ed25519', {
    passphrase: 'hush',
    cipher: 'aes256-cbc',
    rounds: 1,
  }).private
  const { publicKey } = openSshKeyPair(make.ed25519())
  expect(parsePrivateKey(openSsh)).toEqual(new Error('it is encrypted, and passphrases are not supported'))
  expect(parsePrivateKey(encrypted)).toEqual(new Error('it is encrypted, and passphrases are not supported'))
  expect(parsePrivateKey(publicKey)).toEqual(new Error('it is a public key'))
  for (const text of ['', 'garbage', '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n']) {
    const error = parsePrivateKey(text)
    expect(error).toBeInstanceOf(Error)
    expect((error as Error).message).not.toContain('c2VjcmV0')
  }
})
