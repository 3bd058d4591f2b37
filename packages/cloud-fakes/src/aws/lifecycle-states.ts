import type { InstanceState } from '@runner-core/fleeting'

/**
 * Every lifecycle state of an instance in an Auto Scaling group, from the service model of botocore 1.44.8, with the
 * states that a plugin may report for it. An instance that is neither starting nor in service nor terminating must not
 * be used and must not be reported as gone.
 */
export const lifecycleStates: ReadonlyMap<string, readonly InstanceState[]> = new Map<string, readonly InstanceState[]>(
  [
    ['Pending', ['creating']],
    ['Pending:Wait', ['creating']],
    ['Pending:Proceed', ['creating']],
    ['Quarantined', ['unknown', 'failed']],
    ['InService', ['running']],
    ['Terminating', ['deleting']],
    ['Terminating:Wait', ['deleting']],
    ['Terminating:Proceed', ['deleting']],
    ['Terminating:Retained', ['deleting', 'unknown']],
    ['Terminated', ['deleting', 'deleted']],
    ['Detaching', ['deleting']],
    ['Detached', ['deleting', 'deleted']],
    ['EnteringStandby', ['unknown']],
    ['Standby', ['unknown']],
    ['ReplacingRootVolume', ['unknown']],
    ['ReplacingRootVolume:Wait', ['unknown']],
    ['ReplacingRootVolume:Proceed', ['unknown']],
    ['RootVolumeReplaced', ['unknown']],
    ['Warmed:Pending', ['unknown']],
    ['Warmed:Pending:Wait', ['unknown']],
    ['Warmed:Pending:Proceed', ['unknown']],
    ['Warmed:Pending:Retained', ['unknown']],
    ['Warmed:Terminating', ['deleting']],
    ['Warmed:Terminating:Wait', ['deleting']],
    ['Warmed:Terminating:Proceed', ['deleting']],
    ['Warmed:Terminating:Retained', ['deleting', 'unknown']],
    ['Warmed:Terminated', ['deleting', 'deleted']],
    ['Warmed:Stopped', ['unknown']],
    ['Warmed:Running', ['unknown']],
    ['Warmed:Hibernated', ['unknown']],
  ],
)
