import { createHash } from 'node:crypto'
import { ConnectionError } from '../contract/errors.ts'
import type { HostKeyPins } from '../contract/host-key-pins.ts'
import type { ConnectInfo, ConnectorConfig } from '../contract/instance-group.ts'

/** Which host keys an instance may show: those known beforehand, or the one that it showed first. */
export class HostKeys {
  readonly #checking: NonNullable<ConnectorConfig['hostKeyChecking']>
  readonly #pins: HostKeyPins

  constructor(checking: NonNullable<ConnectorConfig['hostKeyChecking']>, pins: HostKeyPins = new Map()) {
    this.#checking = checking
    this.#pins = pins
  }

  /**
   * The keys of which the instance must show one; none: it may show any. Thrown: `ConnectionError` `invalid_config`.
   */
  expected(info: ConnectInfo): readonly Buffer[] {
    if (this.#checking === 'off') return []
    if (info.hostKeys !== undefined && info.hostKeys.length > 0) return info.hostKeys.map(parseHostKey)
    if (this.#checking === 'strict') {
      throw new ConnectionError(
        'invalid_config',
        `instance ${info.instanceId}: no host key is known, and host key checking is strict`,
      )
    }
    const pinned = this.#pinned(info.instanceId)
    return pinned === undefined ? [] : [pinned]
  }

  #pinned(instanceId: string): Buffer | undefined {
    const pinned = this.#pins.get(instanceId)
    return pinned === undefined ? undefined : parseHostKey(pinned)
  }

  /**
   * Remembers the key that the instance showed, once the login has succeeded: what answers at an address before the
   * machine is up must not be taken for it. Thrown: `ConnectionError` `host_key_mismatch` when another connection saw
   * another key meanwhile.
   */
  pin(instanceId: string, key: Buffer): void {
    if (this.#checking === 'off') return
    const pinned = this.#pinned(instanceId)
    if (pinned === undefined) this.#pins.set(instanceId, `${kindOf(key)} ${key.toString('base64')}`)
    else if (!pinned.equals(key)) throw hostKeyMismatch([pinned], key)
  }

  forget(instanceId: string): void {
    this.#pins.delete(instanceId)
  }
}

export function hostKeyMismatch(expected: readonly Buffer[], shown: Buffer): ConnectionError {
  return new ConnectionError(
    'host_key_mismatch',
    `the host key is ${fingerprint(shown)}, expected ${expected.map(fingerprint).join(' or ')}`,
  )
}

/** Reads `ssh-ed25519 AAAA… comment`. Thrown: `ConnectionError` `invalid_config`. */
export function parseHostKey(text: string): Buffer {
  const [kind, base64 = ''] = text.trim().split(/\s+/)
  const key = Buffer.from(base64, 'base64')
  if (kind !== '' && kindOf(key) === kind) return key
  throw new ConnectionError(
    'invalid_config',
    `host key: expected one like "ssh-ed25519 AAAA…", got ${JSON.stringify(text)}`,
  )
}

/** `ssh-ed25519`, for instance; undefined where it is no key. */
export function kindOf(key: Buffer): string | undefined {
  return key.length < 4 ? undefined : key.toString('latin1', 4, 4 + key.readUInt32BE(0))
}

function fingerprint(key: Buffer): string {
  return `${kindOf(key)} SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}
