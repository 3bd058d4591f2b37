import type { InstanceState } from '@runner-core/fleeting'

/** `currentAction` of a managed instance (compute.v1, revision 20261106), with what a group may make of each. */
export const currentActions: ReadonlyMap<string, readonly InstanceState[]> = new Map([
  ['ABANDONING', ['deleting']],
  ['CREATING', ['creating']],
  ['CREATING_WITHOUT_RETRIES', ['creating']],
  ['DELETING', ['deleting']],
  ['RECREATING', ['creating', 'failed']],
  ['RESTARTING', ['creating', 'failed']],
  ['RESUMING', ['creating', 'resuming']],
  ['STARTING', ['creating', 'resuming']],
  ['STOPPING', ['suspending', 'failed']],
  ['SUSPENDING', ['suspending', 'failed']],
  ['VERIFYING', ['running', 'creating']],
  ['REFRESHING', ['running']],
])

/** `instanceStatus` of a managed instance for which nothing is scheduled. Those that are actions too stand above. */
export const instanceStatuses: ReadonlyMap<string, readonly InstanceState[]> = new Map([
  ['DEPROVISIONING', ['deleting', 'failed']],
  ['PENDING', ['creating']],
  ['PENDING_STOP', ['failed', 'suspending']],
  ['PROVISIONING', ['creating']],
  ['REPAIRING', ['creating', 'failed']],
  ['RUNNING', ['running']],
  ['STAGING', ['creating']],
  ['STOPPED', ['suspended', 'failed']],
  ['SUSPENDED', ['suspended', 'failed']],
  ['TERMINATED', ['suspended', 'failed']],
])
