import type { InstanceState, ListedInstance } from '@runner-core/fleeting'
import type { Instance, ManagedInstance } from './compute-api.ts'
import { asLateError } from './errors.ts'
import { launchTokenOf } from './names.ts'

/**
 * What the group does with a machine. `NONE`, `VERIFYING` and `REFRESHING` leave it as it is: then its status counts.
 */
const actions: ReadonlyMap<string, InstanceState> = new Map([
  ['CREATING', 'creating'],
  ['CREATING_WITHOUT_RETRIES', 'creating'],
  ['RESTARTING', 'creating'],
  ['STARTING', 'creating'],
  ['RESUMING', 'creating'],
  // Another machine will have the name: whatever ran here is gone.
  ['RECREATING', 'failed'],
  ['STOPPING', 'failed'],
  ['SUSPENDING', 'failed'],
  ['DELETING', 'deleting'],
  ['ABANDONING', 'deleting'],
])

/** What a machine is. One that somebody stopped, or that was preempted, is not started again by us: it is replaced. */
const statuses: ReadonlyMap<string, InstanceState> = new Map([
  ['PENDING', 'creating'],
  ['PROVISIONING', 'creating'],
  ['STAGING', 'creating'],
  ['RUNNING', 'running'],
  ['REPAIRING', 'failed'],
  ['PENDING_STOP', 'failed'],
  ['STOPPING', 'failed'],
  ['STOPPED', 'failed'],
  ['SUSPENDING', 'failed'],
  ['SUSPENDED', 'failed'],
  ['TERMINATED', 'failed'],
  ['DEPROVISIONING', 'deleting'],
])

const quietActions = new Set(['NONE', 'VERIFYING', 'REFRESHING'])

/** A row of `listManagedInstances` as a row of `list`. `prefix` begins the names that the fleet gave. */
export function listedInstance(row: ManagedInstance, prefix: string): ListedInstance {
  const launchToken = launchTokenOf(prefix, row.name)
  return { id: row.name, ...stateOf(row), ...(launchToken !== undefined && { launchToken }) }
}

/** A virtual machine as Compute Engine itself shows it. */
export function describedInstance({ name, status }: Pick<Instance, 'name' | 'status'>, prefix: string): ListedInstance {
  return listedInstance({ name, currentAction: 'NONE', instanceStatus: status ?? '' }, prefix)
}

function stateOf({
  currentAction = 'NONE',
  instanceStatus,
  lastAttempt,
  name,
}: ManagedInstance): Omit<ListedInstance, 'id'> {
  const errors = lastAttempt?.errors?.errors ?? []
  if (errors.length > 0 && actions.get(currentAction) === 'creating') {
    // The group tries again for ever; whoever deletes the row gets the place back.
    const error = asLateError(errors, 'creating the machine', { instanceId: name })
    return { state: 'failed', detail: error.message, error }
  }
  if (!quietActions.has(currentAction)) return { state: actions.get(currentAction) ?? 'unknown', detail: currentAction }
  if (instanceStatus !== undefined) return { state: statuses.get(instanceStatus) ?? 'unknown', detail: instanceStatus }
  if (currentAction === 'NONE')
    return { state: 'failed', detail: 'the machine is gone, and the group does not create it again' }
  return { state: 'creating', detail: currentAction }
}
