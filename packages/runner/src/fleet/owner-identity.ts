import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import type { OwnerOptions } from '@runner-core/fleeting/provisioner'
import { fleetName, type RunnerSettings } from '../config/settings.ts'

/**
 * As whom a runner claims its group. `systemId` is kept over restarts; absent: without state the group is not claimed.
 */
export function ownerOf(runner: RunnerSettings, systemId: string | undefined): OwnerOptions {
  const fleet = fleetName(runner)
  return {
    name: `fleet ${fleet} on ${hostname()}`,
    // Hashed, since clouds limit what an owner may be called, and a fleet's name is free.
    ...(systemId !== undefined && {
      id: createHash('sha256').update(`${systemId}\n${fleet}`).digest('hex').slice(0, 32),
    }),
    mayTake: runner.autoscaler.takeOverGroup ? 'any' : 'own',
  }
}
