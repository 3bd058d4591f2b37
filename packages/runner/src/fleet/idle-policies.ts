import type { IdlePolicy } from '@runner-core/taskscaler'

/**
 * GitLab Runner's default of `preemptive_mode`: a job is only asked for when a slot is ready, where idle capacity is
 * kept.
 */
export function idlePolicies(policies: readonly IdlePolicy[]): readonly IdlePolicy[] {
  return policies.map((policy) => ({ preemptiveMode: (policy.idleCount ?? 0) > 0, ...policy }))
}
