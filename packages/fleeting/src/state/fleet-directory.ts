import { join } from 'node:path'

/**
 * The directory of one fleet below the state directory: its name with everything but letters, digits, `.`, `_` and `-`
 * in percent signs, so that no two fleets share one and none leads elsewhere.
 */
export function fleetDirectory(stateDirectory: string, fleet: string): string {
  const name = encodeURIComponent(fleet).replace(
    /[!'()*~]|^\./g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return join(stateDirectory, name)
}

/** Held by the process that has the fleet. */
export function ownerLockFile(fleetDirectory: string): string {
  return join(fleetDirectory, 'owner.lock')
}

/** Held by a process that asks the owner for the fleet. */
export function successorLockFile(fleetDirectory: string): string {
  return join(fleetDirectory, 'successor.lock')
}
