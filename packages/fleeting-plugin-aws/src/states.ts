import type { Instance } from '@aws-sdk/client-auto-scaling'
import type { Instance as Ec2Instance } from '@aws-sdk/client-ec2'
import type { InstanceState, ListedInstance } from '@runner-core/fleeting'

/**
 * What each lifecycle state means. Every other word, those of later years included, is `unknown`: standby, quarantine,
 * a root volume being replaced, a warm pool. None of them is used, none is taken for gone.
 */
const states: Readonly<Record<string, InstanceState>> = {
  Pending: 'creating',
  'Pending:Wait': 'creating',
  'Pending:Proceed': 'creating',
  InService: 'running',
  Terminating: 'deleting',
  'Terminating:Wait': 'deleting',
  'Terminating:Proceed': 'deleting',
  'Terminating:Retained': 'deleting',
  Terminated: 'deleted',
  Detaching: 'deleting',
  Detached: 'deleted',
  'Warmed:Terminating': 'deleting',
  'Warmed:Terminating:Wait': 'deleting',
  'Warmed:Terminating:Proceed': 'deleting',
  'Warmed:Terminating:Retained': 'deleting',
  'Warmed:Terminated': 'deleted',
}

/**
 * One that is in service and unhealthy has died, or EC2's checks of it fail: it is replaced by name, since the group's
 * own replacing should be suspended.
 */
export function listedInstance({ InstanceId, LifecycleState, HealthStatus }: Instance): ListedInstance {
  const state = stateOf(LifecycleState)
  const isSick = state === 'running' && HealthStatus?.toLowerCase() === 'unhealthy'
  return {
    id: InstanceId!,
    state: isSick ? 'failed' : state,
    detail: isSick ? `${LifecycleState}, ${HealthStatus}` : String(LifecycleState),
  }
}

/** EC2's words. A machine that stopped is none that the group will use again, and yet one that exists. */
const ec2States: Readonly<Record<string, InstanceState>> = {
  pending: 'creating',
  running: 'running',
  'shutting-down': 'deleting',
  terminated: 'deleted',
  stopping: 'failed',
  stopped: 'failed',
}

/** A machine as EC2 itself shows it. */
export function describedInstance({ InstanceId, State }: Ec2Instance): ListedInstance {
  const word = State?.Name ?? ''
  return { id: InstanceId!, state: Object.hasOwn(ec2States, word) ? ec2States[word]! : 'unknown', detail: word }
}

/** Whether an instance takes a place of the desired capacity, in doubt yes. */
export function fillsCapacity(instance: Instance): boolean {
  return !isLeaving(instance) && instance.LifecycleState?.startsWith('Warmed:') !== true
}

/** Whether an instance is on its way out, or gone. */
export function isLeaving({ LifecycleState }: Instance): boolean {
  const state = stateOf(LifecycleState)
  return state === 'deleting' || state === 'deleted'
}

function stateOf(word: string | undefined): InstanceState {
  return Object.hasOwn(states, word ?? '') ? states[word!]! : 'unknown'
}
