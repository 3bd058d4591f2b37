import type { KeyPair } from '@runner-core/fleeting'
import { newKeyPair } from '@runner-core/fleeting/ssh'
import type { FleetLease } from '@runner-core/fleeting/state'
import type { Seal } from './seal.ts'

const place = { kind: 'fleet', key: 'ssh key' } as const

/**
 * The key by which the fleet's machines let every process of it in: made once, and kept encrypted. Thrown:
 * `StateError`, `FencedError`.
 */
export async function keptFleetKey(lease: FleetLease, seal: Seal): Promise<KeyPair> {
  const sealedFor = `${lease.fleet} ${place.key}`
  const kept = (await lease.load([place.kind])).find(({ key }) => key === place.key)
  if (typeof kept?.value === 'string') return JSON.parse(seal.open(kept.value, sealedFor)) as KeyPair
  const pair = await newKeyPair()
  await lease.write([{ ...place, value: seal.seal(JSON.stringify(pair), sealedFor), survives: 'power' }])
  return pair
}
