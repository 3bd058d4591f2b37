import type { AutoScalingGroup, InstanceRefresh } from '@aws-sdk/client-auto-scaling'
import { type Finding, fleetTag, isTaggedFor, type Tags, taggedFleet } from '@runner-core/fleeting'

/** What in a group's set-up works against a fleet: whatever ends or makes instances by itself. */
export function findingsOf(group: AutoScalingGroup, refreshes: readonly InstanceRefresh[]): readonly Finding[] {
  return rules.flatMap(({ applies, ...finding }) => (applies(group, refreshes) ? [finding] : []))
}

/** The group's tags name another fleet. */
export function otherFleetFindings(tags: Tags, fleet: string): readonly Finding[] {
  if (taggedFleet(tags) === undefined || isTaggedFor(tags, fleet)) return []
  return [
    {
      code: 'group_of_other_fleet',
      severity: 'warning',
      message: `the fleet ${taggedFleet(tags)} was the last to launch here, and an Auto Scaling group must belong to one fleet alone`,
      fix: `give this fleet a group of its own; once the other has ended: aws autoscaling delete-tags, Key=${fleetTag}`,
    },
  ]
}

/** `why`: what AWS answered. */
export function launchesNotTagged(why: string): Finding {
  return {
    code: 'launches_not_tagged',
    severity: 'warning',
    message: `launches cannot be tagged on the group, so after a lost response their instances are identified by number only: ${why}`,
    fix: 'allow autoscaling:CreateOrUpdateTags on the group, as policy.json does; a group can have 50 tags',
  }
}

interface Rule extends Finding {
  readonly applies: (group: AutoScalingGroup, refreshes: readonly InstanceRefresh[]) => boolean
}

/** Set on a group by `aws autoscaling update-auto-scaling-group`. */
const update = 'aws autoscaling update-auto-scaling-group'

const rules: readonly Rule[] = [
  {
    code: 'scale_in_protection_off',
    severity: 'error',
    message:
      'new instances are not protected from scale-in: AWS may terminate one that is in use whenever the desired capacity is lowered, and capacity that could not be launched is not given back',
    fix: `${update} --new-instances-protected-from-scale-in, and protect those that exist with set-instance-protection`,
    applies: ({ NewInstancesProtectedFromScaleIn }) => NewInstancesProtectedFromScaleIn !== true,
  },
  {
    code: 'min_size_above_zero',
    severity: 'warning',
    message:
      'the minimum size is above zero: the fleet cannot shrink below it, and removals that would do so are refused',
    fix: `${update} --min-size 0`,
    applies: ({ MinSize = 0 }) => MinSize > 0,
  },
  {
    code: 'max_size_zero',
    severity: 'error',
    message: 'the maximum size is zero: nothing can be launched',
    fix: `${update} --max-size with at least max_instances`,
    applies: ({ MaxSize = 0 }) => MaxSize === 0,
  },
  {
    code: 'launch_suspended',
    severity: 'error',
    message: 'the process Launch is suspended: nothing is launched',
    fix: 'aws autoscaling resume-processes --scaling-processes Launch',
    applies: isSuspended('Launch'),
  },
  notSuspended(
    'az_rebalance_on',
    'AZRebalance',
    'terminates instances to spread them evenly over zones',
    ({ AvailabilityZones = [] }) => AvailabilityZones.length > 1,
  ),
  notSuspended(
    'replace_unhealthy_on',
    'ReplaceUnhealthy',
    'terminates instances it considers unhealthy and launches others that were not requested',
  ),
  notSuspended('alarm_notification_on', 'AlarmNotification', 'lets scaling policies change the size of the group'),
  notSuspended('scheduled_actions_on', 'ScheduledActions', 'lets scheduled actions change the size of the group'),
  {
    code: 'instance_refresh_active',
    severity: 'error',
    message: 'an instance refresh is in progress: it replaces instances, including those in use',
    fix: 'aws autoscaling cancel-instance-refresh; new instances have the new launch template anyway',
    applies: (_group, refreshes) => refreshes.some(({ Status }) => !refreshOver.has(Status ?? '')),
  },
  {
    code: 'warm_pool',
    severity: 'error',
    message: 'the group has a warm pool, whose instances cannot be removed by name',
    fix: 'aws autoscaling delete-warm-pool; idle_count keeps instances ready',
    applies: ({ WarmPoolConfiguration }) => WarmPoolConfiguration !== undefined,
  },
  {
    code: 'capacity_rebalance_on',
    severity: 'warning',
    message:
      'capacity rebalancing is on: spot instances at risk are terminated early, and others are launched that were not requested',
    fix: `${update} --no-capacity-rebalance`,
    applies: ({ CapacityRebalance }) => CapacityRebalance === true,
  },
  {
    code: 'max_instance_lifetime_set',
    severity: 'warning',
    message: 'instances are replaced when they reach the maximum lifetime, even under a running job',
    fix: `${update} --max-instance-lifetime 0`,
    applies: ({ MaxInstanceLifetime = 0 }) => MaxInstanceLifetime > 0,
  },
  {
    code: 'weighted_capacity',
    severity: 'error',
    message: 'the group counts capacity in other units than instances, so its size is not a number of instances',
    fix: 'remove the weights of the instance types and set the desired capacity type to units',
    applies: hasWeights,
  },
  {
    code: 'group_is_being_deleted',
    severity: 'error',
    message: 'the group is being deleted',
    fix: 'create another group and set it in plugin_config.name',
    applies: ({ Status }) => Status !== undefined,
  },
]

function notSuspended(
  code: string,
  process: string,
  does: string,
  matters: (group: AutoScalingGroup) => boolean = () => true,
): Rule {
  return {
    code,
    severity: 'warning',
    message: `the process ${process} is not suspended: it ${does}`,
    fix: `aws autoscaling suspend-processes --scaling-processes ${process}`,
    applies: (group) => matters(group) && !isSuspended(process)(group),
  }
}

function isSuspended(process: string): (group: AutoScalingGroup) => boolean {
  return ({ SuspendedProcesses = [] }) => SuspendedProcesses.some(({ ProcessName }) => ProcessName === process)
}

/** The statuses in which a refresh changes nothing any more. */
const refreshOver: ReadonlySet<string> = new Set([
  'Successful',
  'Failed',
  'Cancelled',
  'RollbackSuccessful',
  'RollbackFailed',
])

function hasWeights({ MixedInstancesPolicy, DesiredCapacityType = 'units' }: AutoScalingGroup): boolean {
  const overrides = MixedInstancesPolicy?.LaunchTemplate?.Overrides ?? []
  return DesiredCapacityType !== 'units' || overrides.some(({ WeightedCapacity = '1' }) => WeightedCapacity !== '1')
}
