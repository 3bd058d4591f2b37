import { constants, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import { expect, test } from 'vitest'
import { decryptPassword } from './windows-password.ts'

const publicKeyEncoding = { type: 'spki', format: 'pem' } as const
const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const
const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding, privateKeyEncoding })
const encrypted = (password: string, key: string) =>
  publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.from(password)).toString('base64')

test('what is encrypted for the key pair is read', () => {
  const { publicKey, privateKey } = rsa()
  expect(decryptPassword(encrypted('S3cret&', publicKey), privateKey)).toBe('S3cret&')
})

test.each([
  ['another kind of key', () => generateKeyPairSync('ed25519', { publicKeyEncoding, privateKeyEncoding }).privateKey],
  ['no key', () => 'MY-SECRET'],
])('%s is told, and nothing of it', (_what, makeKey) => {
  const key = makeKey()
  const attempt = () => decryptPassword(encrypted('S3cret&', rsa().publicKey), key)
  expect(attempt).toThrow(
    expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining('connector_config.key_path') }),
  )
  expect(attempt).not.toThrow(key.split('\n')[1] ?? key)
})
