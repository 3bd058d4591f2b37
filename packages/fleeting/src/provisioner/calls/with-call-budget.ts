import type { Clock } from '../../contract/clock.ts'
import { asGroupError, type GroupError } from '../../contract/errors.ts'
import type { GroupInfo, GroupRateLimits, InstanceGroup } from '../../contract/instance-group.ts'
import { checkGroup } from '../../plugins/init-group.ts'
import type { BudgetOperation } from './admit-calls.ts'
import { CallBudget } from './call-budget.ts'

/**
 * The same group, kept within the rate limits that its `init` publishes: a call waits until its buckets hold what it
 * draws, and leaves a share to calls that matter more (decrease, and who has the group, before increase before list
 * before connect info). Polling slows down by itself, since the next `list` begins only after the last. A group that
 * publishes none is not touched. Thrown besides: `not_ready`, when a call would wait for more than 25 s; at once
 * `invalid_config`, for what is no group.
 */
export function withCallBudget(group: InstanceGroup, { clock }: { readonly clock: Clock }): InstanceGroup {
  checkGroup(group)
  let limits: GroupRateLimits | undefined
  let budget: CallBudget | undefined
  let size = 0

  async function spend<T>(
    operation: BudgetOperation,
    count: number,
    signal: AbortSignal,
    call: () => Promise<T>,
  ): Promise<T> {
    if (limits === undefined || budget === undefined) return await call()
    const draws = limits.draws(operation, count)
    await budget.take(operation, draws, signal)
    try {
      const answer = await call()
      const { errors = [] } = Object(answer) as { readonly errors?: readonly GroupError[] }
      for (const error of oneOfEachBucket(errors.filter(isThrottled))) budget.throttled(draws, error)
      return answer
    } catch (error) {
      if (isThrottled(error)) budget.throttled(draws, asGroupError(error))
      throw error
    } finally {
      if (limits.remaining !== undefined) budget.read(limits.remaining())
    }
  }

  const kept: Required<Pick<InstanceGroup, 'init' | BudgetOperation>> = {
    async init(signal): Promise<GroupInfo> {
      const info = await group.init(signal)
      limits = info.rateLimits
      budget = limits === undefined ? undefined : new CallBudget(limits.buckets, clock)
      return info
    },
    async list(signal) {
      const rows = await spend('list', size, signal, () => group.list(signal))
      size = rows.length
      return rows
    },
    describe: (ids, signal) =>
      spend('describe', ids.length, signal, () => group.describe?.(ids, signal) ?? Promise.resolve([])),
    increase: (request, signal) => spend('increase', request.count, signal, () => group.increase(request, signal)),
    decrease: (ids, signal) =>
      ids.length === 0
        ? group.decrease(ids, signal)
        : spend('decrease', ids.length, signal, () => group.decrease(ids, signal)),
    owners: (signal, ids) => spend('owners', 0, signal, () => group.owners?.(signal, ids) ?? Promise.resolve([])),
    claim: (owner, signal) => spend('claim', 0, signal, async () => group.claim?.(owner, signal)),
    connectInfo: (id, signal) => spend('connectInfo', size, signal, () => group.connectInfo(id, signal)),
  }
  // A proxy, because which optional methods a group has may show only after its init.
  return new Proxy(group, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (value !== undefined && Object.hasOwn(kept, property)) return kept[property as keyof typeof kept]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function isThrottled(error: unknown): boolean {
  return asGroupError(error).code === 'throttled'
}

/** A refusal of a hundred instances is one. */
function oneOfEachBucket(errors: readonly GroupError[]): Iterable<GroupError> {
  return new Map(errors.map((error) => [error.bucket, error])).values()
}
