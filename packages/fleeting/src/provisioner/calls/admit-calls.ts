import type { GroupRateLimits } from '../../contract/instance-group.ts'
import { afterDraw, type BucketLimits, type BudgetBucket, refilled, waitFor } from './budget-bucket.ts'

export type BudgetOperation = Parameters<GroupRateLimits['draws']>[0]

/** A call that wants to begin. */
export interface WaitingCall {
  readonly operation: BudgetOperation
  /** What it draws, by bucket. */
  readonly draws: Readonly<Record<string, number>>
  readonly askedAt: number
}

export type Buckets = Readonly<Record<string, BudgetBucket>>

/**
 * The share of each bucket that a call leaves to those that matter more. In order: a machine that is not removed costs
 * money and may be the wrong one to keep; one that is not asked for lets jobs wait; one list tells the truth about all
 * machines, and can come a little later; connect info is one call for one machine, and there may be a thousand of them
 * at once.
 */
const reserves: Readonly<Record<BudgetOperation, number>> = {
  // Before each delete, and before anything else at a start.
  owners: 0,
  claim: 0,
  decrease: 0,
  increase: 0.1,
  list: 0.25,
  describe: 0.25,
  connectInfo: 0.5,
}
const order = Object.keys(reserves) as BudgetOperation[]

/**
 * A list that has waited for so long goes first, and leaves nothing: without the truth, lost machines would keep their
 * jobs and nothing could be launched.
 */
export const listPatienceMs = 20_000

export interface Admission<Call> {
  /** They begin now, in this order. */
  readonly admitted: readonly Call[]
  readonly buckets: Buckets
  /** When to look again, if nothing else happens; `Infinity`: nobody waits. */
  readonly nextAt: number
}

/**
 * Which of the waiting calls, given in order of asking, may begin. Who waits for a bucket is not overtaken there by
 * whoever matters less.
 */
export function admitCalls<Call extends WaitingCall>(
  waiting: readonly Call[],
  before: Buckets,
  limits: Readonly<Record<string, BucketLimits>>,
  now: number,
): Admission<Call> {
  const buckets: Record<string, BudgetBucket> = {}
  for (const [name, limit] of Object.entries(limits)) buckets[name] = refilled(before[name] as BudgetBucket, limit, now)
  const held = new Set<string>()
  const admitted: Call[] = []
  let nextAt = Number.POSITIVE_INFINITY
  for (const call of waiting.toSorted((one, other) => rank(one, now) - rank(other, now))) {
    const draws = Object.entries(call.draws).filter(([name, cost]) => limits[name] !== undefined && cost > 0)
    const reserve = isOverdue(call, now) ? 0 : reserves[call.operation]
    const waits = draws.map(([name, cost]) =>
      waitFor(buckets[name] as BudgetBucket, limits[name] as BucketLimits, cost, reserve),
    )
    const waitMs = Math.max(0, ...waits)
    if (waitMs === 0 && !draws.some(([name]) => held.has(name))) {
      for (const [name, cost] of draws)
        buckets[name] = afterDraw(buckets[name] as BudgetBucket, limits[name] as BucketLimits, cost)
      admitted.push(call)
      continue
    }
    for (const [name] of draws) held.add(name)
    if (waitMs > 0) nextAt = Math.min(nextAt, now + waitMs)
    if (call.operation === 'list' && !isOverdue(call, now)) nextAt = Math.min(nextAt, call.askedAt + listPatienceMs)
  }
  return { admitted, buckets, nextAt }
}

function rank(call: WaitingCall, now: number): number {
  return isOverdue(call, now) ? -1 : order.indexOf(call.operation)
}

function isOverdue({ operation, askedAt }: WaitingCall, now: number): boolean {
  return operation === 'list' && now - askedAt >= listPatienceMs
}
