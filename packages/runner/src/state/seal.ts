import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { StateError } from '@runner-core/fleeting/state'

const algorithm = 'aes-256-gcm'
const saltBytes = 16
const nonceBytes = 12
const tagBytes = 16
/** What sealing adds to the length. */
export const sealBytesMore: number = saltBytes + nonceBytes + tagBytes

/**
 * Encrypts what state may hold and nobody may read: AES-256-GCM, authentic for the place it was written for. Each
 * process has a key of its own, derived from the state key with a random salt, and counts its nonces: none is ever used
 * twice, however much is written.
 */
export class Seal {
  readonly #stateKey: Buffer
  readonly #salt: Buffer = randomBytes(saltBytes)
  readonly #key: Buffer
  /** By salt: the keys of earlier processes. */
  readonly #keys = new Map<string, Buffer>()
  #sealed = 0n

  constructor(stateKey: Buffer) {
    this.#stateKey = stateKey
    this.#key = this.#derive(this.#salt)
  }

  /** `place` is where the value is kept: only there it can be opened. Base64. */
  seal(plain: string, place: string): string {
    return this.sealBytes(Buffer.from(plain), place).toString('base64')
  }

  /** As {@link seal}; {@link sealBytesMore} bytes longer than `plain`. */
  sealBytes(plain: Buffer, place: string): Buffer {
    const nonce = Buffer.alloc(nonceBytes)
    nonce.writeBigUInt64BE(this.#sealed++, nonceBytes - 8)
    const cipher = createCipheriv(algorithm, this.#key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(place))
    const parts = [this.#salt, nonce, cipher.update(plain), cipher.final()]
    return Buffer.concat([...parts, cipher.getAuthTag()])
  }

  /** Thrown: `StateError` `wrong_key` when it was sealed under another key or for another place, or is damaged. */
  open(sealed: string, place: string): string {
    return this.openBytes(Buffer.from(sealed, 'base64'), place).toString('utf8')
  }

  /** Thrown: as by {@link open}. */
  openBytes(bytes: Buffer, place: string): Buffer {
    try {
      const salt = bytes.subarray(0, saltBytes)
      const nonce = bytes.subarray(saltBytes, saltBytes + nonceBytes)
      const decipher = createDecipheriv(algorithm, this.#keyFor(salt), nonce, { authTagLength: tagBytes })
      decipher.setAAD(Buffer.from(place)).setAuthTag(bytes.subarray(-tagBytes))
      return Buffer.concat([decipher.update(bytes.subarray(saltBytes + nonceBytes, -tagBytes)), decipher.final()])
    } catch (error) {
      throw new StateError('wrong_key', `${place} cannot be decrypted: was state_key_file replaced?`, { cause: error })
    }
  }

  #keyFor(salt: Buffer): Buffer {
    const name = salt.toString('latin1')
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    const key = this.#derive(salt)
    this.#keys.set(name, key)
    return key
  }

  #derive(salt: Buffer): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#stateKey, salt, 'runner-core state', 32))
  }
}
