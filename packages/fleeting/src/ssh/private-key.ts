import { createPrivateKey } from 'node:crypto'
import type { ParsedKey } from 'ssh2'
import { openSshKeyPair } from './ed25519.ts'
import { ssh2 } from './ssh2.ts'

/**
 * Reads a private key in OpenSSH's format or in PEM: PKCS#1, SEC 1, and PKCS#8, which ssh2 does not know by itself.
 * Answers an error, never with anything of the key in it, when it is none, or is encrypted.
 */
export function parsePrivateKey(text: string): ParsedKey | Error {
  const parsed = parseKey(text)
  if (!(parsed instanceof Error)) return parsed.isPrivateKey() ? parsed : new Error('it is a public key')
  if (/passphrase|encrypted/i.test(parsed.message) || text.includes('BEGIN ENCRYPTED'))
    return new Error('it is encrypted, and passphrases are not supported')
  const converted = text.includes('-----BEGIN PRIVATE KEY-----') ? fromPkcs8(text) : undefined
  return converted === undefined ? parsed : parseKey(converted)
}

function parseKey(text: string): ParsedKey | Error {
  // Keys in OpenSSH's format come as a list, of one for now; the types do not tell.
  const parsed: ParsedKey | Error | (ParsedKey | Error)[] = ssh2().utils.parseKey(text)
  return Array.isArray(parsed) ? (parsed[0] ?? new Error('it is empty')) : parsed
}

function fromPkcs8(pem: string): string | undefined {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'rsa') return key.export({ type: 'pkcs1', format: 'pem' }).toString()
    if (key.asymmetricKeyType === 'ec') return key.export({ type: 'sec1', format: 'pem' }).toString()
    if (key.asymmetricKeyType === 'ed25519') return openSshKeyPair(key).privateKey
  } catch {
    // Not a key after all: the first error stands.
  }
  return undefined
}
