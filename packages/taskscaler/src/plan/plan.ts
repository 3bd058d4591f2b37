import { outstandingCount } from '@runner-core/fleeting/provisioner'
import { durationText } from '../duration-text.ts'
import { capacityOf } from '../slots/instance-slots.ts'
import { choosePlacement } from './choose-placement.ts'
import { holdBack } from './held-back.ts'
import { idleTarget, type ResolvedPolicy } from './policy.ts'
import type { InstanceDecision, ScalingPlan } from './scaling-plan.ts'
import type { ScalingSnapshot } from './scaling-snapshot.ts'

/**
 * Decides which instances to make, drain and remove. Pure and total: it reads nothing but its arguments and has an
 * answer for every snapshot.
 *
 *     wanted   = waiting + reserved + Σ queued + idle target        free slots, in jobs
 *     coming   = slots of outstanding and pending instances
 *     missing  = wanted − available, and at least the waits that want no slot of another label
 *     increase = ⌈(missing − coming) / slots per instance⌉, if positive, as far as the launch state allows
 *     remove   = condemned instances without jobs, and those that have been idle for idle_time, longest idle first,
 *                while the available slots of the others are at least wanted
 *     drain    = condemned instances with jobs
 *
 * where `idle target = max(idle_count, min(⌈acquired × scale_factor⌉, scale_factor_limit))` and
 * `slots per instance = min(capacity_per_instance, max_use_count)`.
 *
 * Jobs that run are on neither side: each has the slot that it needs. An instance is only removed when what is *ready*
 * without it is enough, and one that still warms is not ready. So after a removal `wanted − available` is not positive,
 * and no later plan grows unless `wanted` rises or something ready is lost or used up. Speculative reservations are not
 * wanted: they live on what is free.
 */
export function plan(snapshot: ScalingSnapshot, policy: ResolvedPolicy, now: number): ScalingPlan {
  const wanted = wantedSlots(snapshot, policy)
  const growth = planIncrease(snapshot, policy, wanted)
  const shrinking = planIdleRemoval(snapshot, policy, keptSlots(snapshot, policy), now)
  const { condemned } = snapshot.supply
  return {
    increase: growth.increase,
    drain: condemned.filter(({ inUse }) => inUse > 0).map(({ id, reason }) => ({ id, reason })),
    remove: [
      ...condemned.filter(({ inUse }) => inUse === 0).map(({ id, reason }) => ({ id, reason })),
      ...shrinking.remove,
    ],
    ...(growth.heldBack !== undefined && { heldBack: growth.heldBack }),
    reviewAt: Math.min(shrinking.reviewAt, growth.heldBack?.until ?? Number.POSITIVE_INFINITY),
  }
}

/** Slots that a new instance brings, of the placement where there are several. */
export function slotsPerInstance(
  {
    capacityPerInstance,
    capacities,
    maxUseCount,
  }: Pick<ScalingSnapshot, 'capacityPerInstance' | 'capacities' | 'maxUseCount'>,
  placement?: string,
): number {
  const capacity = capacityOf({ capacity: capacityPerInstance, capacities }, placement)
  return maxUseCount > 0 ? Math.min(capacity, maxUseCount) : capacity
}

/** Slots that the instances being made will bring. */
export function comingSlots(snapshot: ScalingSnapshot): number {
  const { launches, supply } = snapshot
  const pending = supply.pendingSlots ?? supply.pending * slotsPerInstance(snapshot)
  return launches.outstanding.reduce(
    (sum, { count, placement }) => sum + count * slotsPerInstance(snapshot, placement),
    pending,
  )
}

/** Free slots that are wanted, in jobs: for jobs without a slot, and in reserve. */
export function wantedSlots({ demand }: ScalingSnapshot, policy: ResolvedPolicy): number {
  const queued = demand.queued.reduce((sum, { depth }) => sum + depth, 0)
  return demand.waiting + demand.reserved + queued + idleTarget(policy, demand.acquired)
}

/** Free slots that are not to be removed: wanted, and of use to whoever wants them. */
export function keptSlots(snapshot: ScalingSnapshot, policy: ResolvedPolicy): number {
  return wantedSlots(snapshot, policy) - (snapshot.demand.waitingForLabel ?? 0)
}

function planIncrease(
  snapshot: ScalingSnapshot,
  policy: ResolvedPolicy,
  wanted: number,
): Pick<ScalingPlan, 'increase' | 'heldBack'> {
  const { launches, supply } = snapshot
  const coming = outstandingCount(launches) + supply.pending
  const { placement, allowance } = choosePlacement(launches, snapshot.placements)
  const { waitingForLabel = 0 } = snapshot.demand
  const unserved = Math.max(wanted - supply.available, waitingForLabel)
  const missing = Math.ceil((unserved - comingSlots(snapshot)) / slotsPerInstance(snapshot, placement))
  if (missing <= 0) return { increase: [] }
  const count = Math.min(missing, allowance.count)
  const ofLabel = waitingForLabel > 0 ? `; jobs that no ready slot suits: ${waitingForLabel}` : ''
  const reason = `free slots wanted: ${wanted} (${demandText(snapshot, policy)}); ready: ${supply.available}; instances starting: ${coming}${ofLabel}`
  return {
    increase: count > 0 ? [{ ...(placement !== undefined && { placement }), count, reason }] : [],
    ...(count < missing && { heldBack: holdBack(launches, placement, count, missing - count) }),
  }
}

function demandText({ demand }: ScalingSnapshot, policy: ResolvedPolicy): string {
  const parts: [number, string][] = [
    [demand.waiting, 'for waiting jobs'],
    [demand.reserved, 'reserved'],
    ...demand.queued.map(({ depth, source }): [number, string] => [depth, `queued in ${source}`]),
    [idleTarget(policy, demand.acquired), 'to keep idle'],
  ]
  return parts
    .filter(([jobs]) => jobs > 0)
    .map(([jobs, what]) => `${jobs} ${what}`)
    .join(', ')
}

function planIdleRemoval(
  { supply }: ScalingSnapshot,
  policy: ResolvedPolicy,
  wanted: number,
  now: number,
): Pick<ScalingPlan, 'remove' | 'reviewAt'> {
  const remove: InstanceDecision[] = []
  let ready = supply.available - (supply.warming ?? 0)
  for (const { id, idleSince, slots } of supply.idle) {
    if (ready - slots < wanted) continue
    const dueAt = idleSince + policy.idleTimeMs
    if (dueAt > now) return { remove, reviewAt: dueAt }
    ready -= slots
    remove.push({
      id,
      reason: `idle for ${durationText(now - idleSince)}; ready slots that would remain: ${ready}, wanted: ${wanted}`,
    })
  }
  return { remove, reviewAt: Number.POSITIVE_INFINITY }
}
