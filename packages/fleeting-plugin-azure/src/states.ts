import type { InstanceState } from '@runner-core/fleeting'

/**
 * By `provisioningState`, the only word of a machine that a low-cost read shows. Whether it is powered on is not in it:
 * a machine that stopped is noticed by its silence. An update of the model or of an extension runs on a machine that
 * exists.
 */
const states: Readonly<Record<string, InstanceState>> = {
  Creating: 'creating',
  Updating: 'running',
  Succeeded: 'running',
  Migrating: 'running',
  Failed: 'failed',
  Canceled: 'failed',
  Deleting: 'deleting',
}

/** A word that is not known, or none, is `unknown`. */
export function instanceState(provisioningState: string | undefined): InstanceState {
  return provisioningState !== undefined && Object.hasOwn(states, provisioningState)
    ? states[provisioningState]!
    : 'unknown'
}
