import { createPrivateKey, type JsonWebKey } from 'node:crypto'
import ssh2, { type ParsedKey } from 'ssh2'

/**
 * Reads a private key in OpenSSH's format or in PEM: PKCS#1, SEC 1, and PKCS#8, which ssh2 does not know by itself.
 * Answers an error, never with anything of the key in it, when it is none, or is encrypted.
 */
export function parsePrivateKey(text: string): ParsedKey | Error {
  const parsed = parseKey(text)
  if (!(parsed instanceof Error)) return parsed.isPrivateKey() ? parsed : new Error('it is a public key')
  if (/passphrase|encrypted/i.test(parsed.message)) return new Error('it is encrypted, and passphrases are not supported')
  const converted = text.includes('-----BEGIN PRIVATE KEY-----') ? fromPkcs8(text) : undefined
  return converted === undefined ? parsed : parseKey(converted)
}

function parseKey(text: string): ParsedKey | Error {
  // Keys in OpenSSH's format come as a list, of one for now; the types do not tell.
  const parsed: ParsedKey | Error | (ParsedKey | Error)[] = ssh2.utils.parseKey(text)
  return Array.isArray(parsed) ? (parsed[0] ?? new Error('it is empty')) : parsed
}

function fromPkcs8(pem: string): string | undefined {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'rsa') return key.export({ type: 'pkcs1', format: 'pem' }).toString()
    if (key.asymmetricKeyType === 'ec') return key.export({ type: 'sec1', format: 'pem' }).toString()
    if (key.asymmetricKeyType === 'ed25519') return openSshEd25519(key.export({ format: 'jwk' }))
  } catch {
    // Not a key after all: the first error stands.
  }
  return undefined
}

/** OpenSSH's PROTOCOL.key, unencrypted. */
function openSshEd25519(jwk: JsonWebKey): string {
  const [publicHalf, seed] = [Buffer.from(jwk.x!, 'base64url'), Buffer.from(jwk.d!, 'base64url')]
  const publicKey = Buffer.concat([field('ssh-ed25519'), field(publicHalf)])
  // Two equal check numbers; after the comment, padding 1, 2, 3 … to a multiple of 8.
  const secret = Buffer.concat([Buffer.alloc(8), publicKey, field(Buffer.concat([seed, publicHalf])), field('')])
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (secret.length % 8)) % 8))
  const blob = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    field('none'),
    field('none'),
    field(''),
    Buffer.from([0, 0, 0, 1]),
    field(publicKey),
    field(Buffer.concat([secret, padding])),
  ])
  const lines = blob.toString('base64').replace(/.{1,70}/g, '$&\n')
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}-----END OPENSSH PRIVATE KEY-----\n`
}

function field(content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
