import { generateKeyPairSync } from 'node:crypto'
import ssh2 from 'ssh2'
import { describe, expect, test } from 'vitest'
import { fleetKeyPair, newKeyPair, publicKeyOf } from './key-pair.ts'

describe('fleetKeyPair', () => {
  test('makes a new ed25519 key each time', async () => {
    const [first, second] = [await fleetKeyPair({}), await fleetKeyPair({})]
    expect(first.publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/=]+$/)
    expect(await publicKeyOf(first.privateKey, 'key')).toBe(first.publicKey)
    expect(second.publicKey).not.toBe(first.publicKey)
  })

  test('makes keys that can be read, whatever their bytes', async () => {
    // Of ssh2's own keys two or three in five hundred could not.
    for (let count = 0; count < 500; count += 1) {
      const { privateKey, publicKey } = await newKeyPair()
      expect(await publicKeyOf(privateKey, 'key')).toBe(publicKey)
      expect(publicKey).toMatch(/^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}$/)
    }
  })

  test("takes the operator's key, RSA too", async () => {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    const key = await fleetKeyPair({ privateKey, useStaticCredentials: true })
    expect(key.privateKey).toBe(privateKey)
    expect(key.publicKey).toMatch(/^ssh-rsa /)
  })

  test('says what is wrong with a key without showing it', async () => {
    const locked = ssh2.utils.generateKeyPairSync('ed25519', { passphrase: 'secret', cipher: 'aes256-cbc', rounds: 1 })
    await expect(fleetKeyPair({ privateKey: locked.private })).rejects.toMatchObject({ code: 'invalid_config' })
    // Not the public half of `locked`: of those that ssh2 1.17 makes, one in about 200 cannot be read.
    await expect(fleetKeyPair({ privateKey: (await newKeyPair()).publicKey })).rejects.toThrow(
      'connector_config.key_path: expected a private key that can be used: it is a public key',
    )
    await expect(fleetKeyPair({ privateKey: 'MY-SECRET' })).rejects.not.toThrow('MY-SECRET')
    await expect(fleetKeyPair({ useStaticCredentials: true })).rejects.toThrow('use_static_credentials')
  })
})
