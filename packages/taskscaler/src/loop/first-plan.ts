import type { GroupSurvey } from '@runner-core/fleeting/provisioner'
import { plan } from '../plan/plan.ts'
import type { ResolvedPolicy } from '../plan/policy.ts'
import type { ScalingPlan } from '../plan/scaling-plan.ts'
import { activePolicy } from '../plan/schedule.ts'
import { Allocator } from '../slots/allocator.ts'
import { FleetSlots } from '../slots/fleet-slots.ts'
import type { Lender } from '../slots/slot-acquisition.ts'
import { type TaskscalerOptions, withDefaults } from '../taskscaler-options.ts'
import { takeSnapshot } from './take-snapshot.ts'

export interface FirstPlan {
  /** The idle policy in force. */
  readonly policy: ResolvedPolicy
  readonly plan: ScalingPlan
}

/** Without a job nothing is lent, so a lender is never asked for anything. */
const nobody = {} as Lender

/**
 * What a `Taskscaler` that takes a group over now would do about it, with no job known: decided by the same
 * `FleetSlots` and the same `plan`. Each instance that is tried is taken to prove ready at once. Does nothing. Thrown:
 * `InvalidSettingsError`.
 */
export function firstPlan(
  { info, instances, launches }: GroupSurvey,
  options: Omit<TaskscalerOptions, 'provisioner' | 'onDispose'>,
): FirstPlan {
  const { schedule, limits: ofFleet, clock, ...settings } = withDefaults({ ...options, onDispose: 'keep-instances' })
  const limits = { ...ofFleet, capacities: info.capacities }
  const now = clock.now()
  const allocator = new Allocator(limits, nobody, () => () => now)
  const fleetSlots = new FleetSlots(limits, allocator, (host) => {
    host.proof = 'proven'
    fleetSlots.judge(host, now)
  })
  fleetSlots.sync(instances, now)
  const provisioner = { info, launchState: () => launches }
  const policy = activePolicy(schedule, clock.wallTime())
  return { policy, plan: plan(takeSnapshot({ ...settings, allocator, fleetSlots, provisioner }), policy, now) }
}
