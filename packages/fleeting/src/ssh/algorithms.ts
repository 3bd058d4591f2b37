// Apart from host-keys.ts, whose declarations reach users: they have no types of ssh2.
import type { MacAlgorithm, ServerHostKeyAlgorithm } from 'ssh2'
import { kindOf } from './host-keys.ts'

const algorithms: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
]
/** With SHA-1, for machines that know nothing else: `ConnectorConfig.weakAlgorithms`. */
const weakAlgorithms: readonly ServerHostKeyAlgorithm[] = ['ssh-rsa']

const macs: readonly MacAlgorithm[] = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha2-256',
  'hmac-sha2-512',
]
const weakMacs: readonly MacAlgorithm[] = ['hmac-sha1-etm@openssh.com', 'hmac-sha1']

/** How a machine may prove that a message is whole, in order of preference. */
export function allowedMacs(allowsWeak = false): MacAlgorithm[] {
  return allowsWeak ? [...macs, ...weakMacs] : [...macs]
}

/** Algorithms in order of preference: a server with several keys must show one of a kind that we can compare. */
export function preferredAlgorithms(expected: readonly Buffer[], allowsWeak = false): ServerHostKeyAlgorithm[] {
  const offered = allowsWeak ? [...algorithms, ...weakAlgorithms] : algorithms
  const kinds = new Set(expected.map(kindOf))
  const known = offered.filter((algorithm) => kinds.has(algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm))
  return [...known, ...offered.filter((algorithm) => !known.includes(algorithm))]
}
