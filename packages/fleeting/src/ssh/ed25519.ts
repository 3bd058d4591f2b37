import type { KeyObject } from 'node:crypto'

/**
 * An ed25519 private key as OpenSSH writes it (its PROTOCOL.key, unencrypted), and its public half as in
 * `authorized_keys`. Not by ssh2's generator: one of 256 keys that it makes cannot be read, since it drops leading
 * zeros.
 */
export function openSshKeyPair(privateKey: KeyObject): { readonly privateKey: string; readonly publicKey: string } {
  const { x, d } = privateKey.export({ format: 'jwk' })
  const [publicHalf, seed] = [Buffer.from(x!, 'base64url'), Buffer.from(d!, 'base64url')]
  const publicBlob = Buffer.concat([field('ssh-ed25519'), field(publicHalf)])
  // Two equal check numbers; after the comment, padding 1, 2, 3 … to a multiple of 8.
  const secret = Buffer.concat([Buffer.alloc(8), publicBlob, field(Buffer.concat([seed, publicHalf])), field('')])
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (secret.length % 8)) % 8))
  const blob = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    field('none'),
    field('none'),
    field(''),
    Buffer.from([0, 0, 0, 1]),
    field(publicBlob),
    field(Buffer.concat([secret, padding])),
  ])
  const lines = blob.toString('base64').replace(/.{1,70}/g, '$&\n')
  return {
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}-----END OPENSSH PRIVATE KEY-----\n`,
    publicKey: `ssh-ed25519 ${publicBlob.toString('base64')}`,
  }
}

function field(content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
