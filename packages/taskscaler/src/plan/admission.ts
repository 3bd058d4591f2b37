import { describeLimit, outstandingCount } from '@runner-core/fleeting/provisioner'
import type { NoCapacityReason } from '../slots/acquisition.ts'
import { choosePlacement } from './choose-placement.ts'
import { holdBack } from './held-back.ts'
import { comingSlots, slotsPerInstance } from './plan.ts'
import type { ResolvedPolicy } from './policy.ts'
import type { ScalingSnapshot } from './scaling-snapshot.ts'

export interface Refusal {
  readonly reason: NoCapacityReason
  readonly message: string
}

/** Nothing is lent that the next process would not know of. `trouble` says why nothing can be kept. */
export function refuseUnkept(trouble: string | undefined): Refusal | undefined {
  return trouble === undefined
    ? undefined
    : { reason: 'state', message: `no slot is handed out while state cannot be written: ${trouble}` }
}

/**
 * Whether one more slot may be promised when no free one is left for it; undefined: it may. `unserved` are the waits
 * and reservations that no slot is there for yet and that go before it. In preemptive mode nothing is promised.
 * Otherwise the instances being made must have room, or enough more must be possible now, without a back-off or breaker
 * in the way.
 */
export function refusePromise(
  snapshot: ScalingSnapshot,
  policy: ResolvedPolicy,
  unserved: number,
): Refusal | undefined {
  const { launches, placements } = snapshot
  if (policy.preemptiveMode)
    return {
      reason: 'preemptive_mode',
      message: `no ready slot is free, and preemptive mode takes no job without one (${slotsText(snapshot)})`,
    }
  const { placement, allowance } = choosePlacement(launches, placements)
  const needed = Math.ceil((unserved + 1 - comingSlots(snapshot)) / slotsPerInstance(snapshot, placement))
  if (needed <= 0) return undefined
  if (needed > launches.maxInstances - launches.known - outstandingCount(launches)) {
    return { reason: 'max_instances', message: `${describeLimit(launches)} leaves no room (${slotsText(snapshot)})` }
  }
  const { blockedBy } = allowance
  if (blockedBy === 'closed') return { reason: 'shutdown', message: 'no more instances are launched' }
  if (blockedBy === 'breaker' || blockedBy === 'backoff')
    return { reason: blockedBy, message: holdBack(launches, placement, 0, needed).reason }
  return undefined
}

function slotsText({ demand, supply, launches }: ScalingSnapshot): string {
  const { acquired, waiting } = demand
  return `slots in use: ${acquired}, free: ${supply.available}, jobs waiting: ${waiting}, instances: ${launches.known}, not ready: ${supply.pending}, requested: ${outstandingCount(launches)}`
}
