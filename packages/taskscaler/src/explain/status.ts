import { type LaunchState, outstandingCount } from '@runner-core/fleeting/provisioner'
import type { ResolvedPolicy } from '../plan/policy.ts'
import type { ScalingPlan } from '../plan/scaling-plan.ts'
import type { Allocator } from '../slots/allocator.ts'
import type { FleetSlots } from '../slots/fleet-slots.ts'

/** Slots by what they do; upstream's `fleeting_taskscaler_tasks{state}`. */
export interface TaskCounts {
  /** Free, and may be lent. */
  readonly idle: number
  /** Acquires that wait. */
  readonly pending: number
  readonly acquired: number
  /** Reservations that were not acquired, speculative ones included. */
  readonly reserved: number
  /** Slots of instances that get no more jobs. */
  readonly unavailable: number
  /** Slots of instances that were ready and are not usable now. */
  readonly unhealthy: number
}

/** A picture of the scaler at one moment. */
export interface TaskscalerStatus {
  readonly tasks: TaskCounts
  /** Instances that should exist for the demand and the policy, below the maximum. */
  readonly desiredInstances: number
  /** The policy in force. */
  readonly policy: ResolvedPolicy
  /** What the last pass decided, and when. */
  readonly lastPlan: ScalingPlan
  readonly passedAt: number
  /** How long instances take from request to ready, milliseconds; absent before the first. */
  readonly readyMs?: number
}

export function countTasks({ pool, waiting, openReservations }: Allocator, fleetSlots: FleetSlots): TaskCounts {
  let unavailable = 0
  for (const host of fleetSlots.condemned) unavailable += host.limits.capacity
  let unhealthy = 0
  for (const host of fleetSlots.hosts())
    if (host.proof === 'proven' && !host.offered && !host.isLeaving && host.condemnedFor === undefined)
      unhealthy += host.limits.capacity
  return {
    idle: pool.available,
    pending: waiting.size,
    acquired: pool.acquired,
    reserved: openReservations,
    unavailable,
    unhealthy,
  }
}

/** Those that are not on their way out, plus and minus what was decided last and is not done yet. */
export function desiredInstances(fleetSlots: FleetSlots, launches: LaunchState, lastPlan: ScalingPlan): number {
  let staying = 0
  for (const host of fleetSlots.hosts()) if (host.condemnedFor === undefined && !host.isLeaving) staying++
  return Math.min(launches.maxInstances, staying + outstandingCount(launches) + (lastPlan.heldBack?.count ?? 0))
}
