import type { InstanceState } from '../../contract/instance-group.ts'
import type { Instance } from './instance.ts'

/**
 * Instances by what counts for capacity; upstream's `fleeting_provisioner_instances{state}`. `requested` not accepted
 * yet, `pending` accepted and not seen yet.
 */
export type InstanceCounts = Readonly<Record<'requested' | 'pending' | Exclude<InstanceState, 'deleted'>, number>>

/** Whatever their state, those that we remove count as `deleting`. */
export function countInstances(
  instances: Iterable<Instance>,
  launches: Pick<InstanceCounts, 'requested' | 'pending'>,
): InstanceCounts {
  const counts = {
    ...launches,
    creating: 0,
    running: 0,
    suspending: 0,
    suspended: 0,
    resuming: 0,
    deleting: 0,
    failed: 0,
    unknown: 0,
  }
  for (const { removal, state } of instances)
    counts[removal !== undefined || state === 'deleted' ? 'deleting' : state] += 1
  return counts
}
