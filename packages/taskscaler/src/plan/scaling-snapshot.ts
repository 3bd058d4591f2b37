import type { LaunchState } from '@runner-core/fleeting/provisioner'

/** What jobs ask for, in jobs. */
export interface Demand {
  /** Jobs that have a slot. */
  readonly acquired: number
  /** Acquires that wait for a slot. */
  readonly waiting: number
  /** How many of these no free slot suits, since they want none of another label. Absent: 0. */
  readonly waitingForLabel?: number
  /** Reservations that stand for a job and were not acquired yet. Speculative ones are not among them. */
  readonly reserved: number
  /** Jobs that wait elsewhere, by source. */
  readonly queued: readonly { readonly source: string; readonly depth: number }[]
}

/** What instances give. */
export interface Supply {
  /** Slots that may be lent now. */
  readonly available: number
  /** How many of these are of instances that warm and have had no job: another is not removed for them. Absent: 0. */
  readonly warming?: number
  /**
   * Instances that exist and are on their way to be offered: being created, or running and not proven ready yet. Those
   * asked for and not seen are in the launch state.
   */
  readonly pending: number
  /** Slots that the pending ones will bring. Absent: each the fleet's. */
  readonly pendingSlots?: number
  /**
   * Instances that may be lent from and on which nothing runs, the one that has been so longest first. A part of them
   * is enough: what is left out is decided later.
   */
  readonly idle: readonly IdleInstance[]
  /** Instances that shall get no more jobs. */
  readonly condemned: readonly CondemnedInstance[]
}

export interface IdleInstance {
  readonly id: string
  readonly idleSince: number
  /** How many of the available slots are its own. */
  readonly slots: number
}

export interface CondemnedInstance {
  readonly id: string
  readonly inUse: number
  readonly reason: string
}

/**
 * All that `plan` decides from, as plain data; times are `Clock.now()` milliseconds. What was done before is in it:
 * launches that were asked for are outstanding or pending, and an instance whose removal was decided is neither
 * available nor idle any more.
 */
export interface ScalingSnapshot {
  /** Jobs that one instance runs at the same time, ≥ 1. */
  readonly capacityPerInstance: number
  /** The same of instances of a placement, where it is less. */
  readonly capacities?: Readonly<Record<string, number>> | undefined
  /** Jobs that one instance runs in its life; 0: no limit. */
  readonly maxUseCount: number
  readonly demand: Demand
  readonly supply: Supply
  /** Placements in order of preference. Empty: the group has one, without a name. */
  readonly placements: readonly string[]
  /** Outstanding launches, back-offs, breaker, throttle and the room below the maximum, from the provisioner. */
  readonly launches: LaunchState
}
