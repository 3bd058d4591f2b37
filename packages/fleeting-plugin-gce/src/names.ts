import { createHash } from 'node:crypto'
import { GroupError } from '@runner-core/fleeting'

/**
 * A machine's name is FLEET-TOKEN-NUMBER: whose it is, and from which launch, is read off it. At most 63 characters, as
 * RFC 1035 has it.
 */
const longest = { fleet: 21, token: 36 }
const tokenRule = /^[a-z0-9]([-a-z0-9]{0,34}[a-z0-9])?$/

/**
 * What the names of a fleet's machines begin with: what it is called; where names cannot hold that, as much as they
 * can, and a hash of it, so that no other fleet has the same.
 */
export function fleetPrefix(fleet: string): string {
  if (fleet.length <= longest.fleet && /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(fleet)) return fleet
  const hash = createHash('sha256').update(fleet).digest('hex').slice(0, 6)
  const name = fleet.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  const lettered = /^[a-z]/.test(name) ? name : `fleet-${name.replace(/^-/, '')}`
  return `${lettered.slice(0, longest.fleet - hash.length - 1).replace(/-$/, '')}-${hash}`
}

/** Names of a launch's machines, the same each time. Thrown: `invalid_config` for a token that cannot be in a name. */
export function launchNames(prefix: string, launchToken: string, count: number): readonly string[] {
  if (!tokenRule.test(launchToken)) {
    throw new GroupError(
      'invalid_config',
      `launchToken: expected at most ${longest.token} of a-z, 0-9 and -, got ${JSON.stringify(launchToken)}`,
    )
  }
  return Array.from({ length: count }, (_, index) => `${prefix}-${launchToken}-${index}`)
}

/** The token in a name; undefined when the fleet did not give it. */
export function launchTokenOf(prefix: string, name: string): string | undefined {
  return name.startsWith(`${prefix}-`) ? /^(.+)-\d+$/.exec(name.slice(prefix.length + 1))?.[1] : undefined
}

/** A UUID that is the same for the same names, so that the API does a request once, however often it is sent. */
export function requestIdOf(names: readonly string[]): string {
  const hex = createHash('sha256').update(names.join('\n')).digest('hex')
  // Version 8: of the maker's own design (RFC 9562).
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
