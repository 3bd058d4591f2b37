import type { IdlePolicy } from '@runner-core/taskscaler'
import type { Problem } from '../problem.ts'
import type { ReadRunner } from '../read-runner.ts'

/**
 * Policies under which no job is asked for, since they wait for a free instance and keep none. A `scale_factor` does
 * not help: of no capacity in use it is none.
 */
export function policiesWithoutEffect(runners: readonly ReadRunner[]): readonly Problem[] {
  return runners.flatMap(({ autoscaler }, index) =>
    (autoscaler?.policies ?? []).flatMap((policy: Partial<IdlePolicy> | undefined, place) =>
      policy?.preemptiveMode === true && policy.idleCount === 0
        ? [
            {
              path: `runners[${index}].autoscaler.policy[${place}].preemptive_mode`,
              message:
                'expected false, or an idle_count above 0, got neither: without it no first instance is launched and no job is requested',
            },
          ]
        : [],
    ),
  )
}
