import { createHash } from 'node:crypto'
import type { ServerHostKeyAlgorithm } from 'ssh2'
import { ConnectionError } from '../errors.ts'
import type { ConnectInfo, ConnectorConfig } from '../instance-group.ts'

/** Which host keys an instance may show: those known beforehand, or the one that it showed first. */
export class HostKeys {
  readonly #checking: NonNullable<ConnectorConfig['hostKeyChecking']>
  readonly #pinned = new Map<string, Buffer>()

  constructor(checking: NonNullable<ConnectorConfig['hostKeyChecking']>) {
    this.#checking = checking
  }

  /** The keys of which the instance must show one; none: it may show any. Thrown: `ConnectionError` `invalid_config`. */
  expected(info: ConnectInfo): readonly Buffer[] {
    if (this.#checking === 'off') return []
    if (info.hostKeys !== undefined && info.hostKeys.length > 0) return info.hostKeys.map(parseHostKey)
    if (this.#checking === 'strict') {
      throw new ConnectionError('invalid_config', `instance ${info.instanceId}: no host key is known, and host key checking is strict`)
    }
    const pinned = this.#pinned.get(info.instanceId)
    return pinned === undefined ? [] : [pinned]
  }

  /**
   * Remembers the key that the instance showed, once the login has succeeded: what answers at an address before the machine is up must not be taken for it.
   * Thrown: `ConnectionError` `host_key_mismatch` when another connection saw another key meanwhile.
   */
  pin(instanceId: string, key: Buffer): void {
    if (this.#checking === 'off') return
    const pinned = this.#pinned.get(instanceId)
    if (pinned === undefined) this.#pinned.set(instanceId, key)
    else if (!pinned.equals(key)) throw hostKeyMismatch([pinned], key)
  }

  forget(instanceId: string): void {
    this.#pinned.delete(instanceId)
  }
}

export function hostKeyMismatch(expected: readonly Buffer[], shown: Buffer): ConnectionError {
  return new ConnectionError(
    'host_key_mismatch',
    `the host key is ${fingerprint(shown)}, expected ${expected.map(fingerprint).join(' or ')}`,
  )
}

const algorithms: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
  'ssh-rsa',
]

/** Algorithms in order of preference: a server with several keys must show one of a kind that we can compare. */
export function preferredAlgorithms(expected: readonly Buffer[]): ServerHostKeyAlgorithm[] {
  const kinds = new Set(expected.map(kindOf))
  const known = algorithms.filter((algorithm) => kinds.has(algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm))
  return [...known, ...algorithms.filter((algorithm) => !known.includes(algorithm))]
}

/** Reads `ssh-ed25519 AAAA… comment`. Thrown: `ConnectionError` `invalid_config`. */
export function parseHostKey(text: string): Buffer {
  const [kind, base64 = ''] = text.trim().split(/\s+/)
  const key = Buffer.from(base64, 'base64')
  if (kind !== '' && kindOf(key) === kind) return key
  throw new ConnectionError('invalid_config', `host key: expected one like "ssh-ed25519 AAAA…", got ${JSON.stringify(text)}`)
}

function kindOf(key: Buffer): string | undefined {
  return key.length < 4 ? undefined : key.toString('latin1', 4, 4 + key.readUInt32BE(0))
}

function fingerprint(key: Buffer): string {
  return `${kindOf(key)} SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}
