import type { LaunchAllowance } from '@runner-core/fleeting/provisioner'

/** Instances to ask for. */
export interface IncreaseDecision {
  /** Absent: the group has only one. */
  readonly placement?: string
  /** ≥ 1. */
  readonly count: number
  readonly reason: string
}

export interface InstanceDecision {
  readonly id: string
  readonly reason: string
}

/** Instances that are wanted and cannot be asked for now. */
export interface HeldBack {
  /** ≥ 1. */
  readonly count: number
  readonly blockedBy: NonNullable<LaunchAllowance['blockedBy']>
  /** When it may be over, on the clock's `now()` scale. Absent: when something else changes. */
  readonly until?: number
  /** What stands in the way, and what can be done about it. */
  readonly reason: string
}

/** What `plan` answers. Reasons are for people. */
export interface ScalingPlan {
  readonly increase: readonly IncreaseDecision[]
  /** Busy instances that get no more jobs; a later plan removes them, once they are empty. */
  readonly drain: readonly InstanceDecision[]
  /** Instances to remove now. None of them has a job. */
  readonly remove: readonly InstanceDecision[]
  readonly heldBack?: HeldBack
  /** When the plan may become another one by the mere passing of time; `Infinity`: never. */
  readonly reviewAt: number
}
