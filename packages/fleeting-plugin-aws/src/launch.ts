import type { Activity, AutoScalingGroup } from '@aws-sdk/client-auto-scaling'
import { asGroupError, GroupError, type IncreaseRequest, type IncreaseResult } from '@runner-core/fleeting'
import { startMs } from './activities.ts'
import type { AwsClient } from './client.ts'
import { baseOf, missingOf, roomOf } from './desired-capacity.ts'
import { meaningOf } from './errors.ts'
import type { FailedLaunches } from './failed-launches.ts'
import type { LaunchTokens } from './launch-tokens.ts'
import { fillsCapacity } from './states.ts'

/** Makes instances of one group. One call at a time: whoever calls takes care of it. */
export interface Launches {
  increase(request: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult>
  /** So many of the desired capacity have been given back meanwhile. */
  lowered(by: number): void
}

/** Raises the desired capacity: the group then launches, and fails, by itself. */
export class DesiredCapacityLaunches implements Launches {
  readonly #client: AwsClient
  readonly #failed: FailedLaunches
  readonly #tokens: LaunchTokens
  /** A write without an answer: the cloud may have taken it. */
  #unanswered: { readonly token: string; from: number } | undefined

  constructor(client: AwsClient, failed: FailedLaunches, tokens: LaunchTokens) {
    this.#client = client
    this.#failed = failed
    this.#tokens = tokens
  }

  /**
   * The size is an absolute number, so it is read right before it is written, and never from memory;
   * docs/decisions/aws-desired-capacity.md has all that can happen between the two. The launch is written on the group
   * just before, for its instances to take over. A lost answer is thrown as `transient`. Asked again under the same
   * token, its instances and the size tell whether the write had been taken.
   */
  async increase({ count, launchToken }: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    // First, for what stands between the read of the size and its write is to be short.
    const { activities } = await this.#client.activities(hasAllOfNewest, signal)
    const group = await this.#client.describeGroup(signal)
    const desired = baseOf(group)
    const taken = Math.min(count, await this.#takenOf(launchToken, group, signal))
    this.#unanswered = undefined
    const wanted = Math.min(count - taken, roomOf(group))
    if (wanted > 0) {
      this.#failed.mark(activities)
      this.#unanswered = { token: launchToken, from: desired - taken }
      await this.#tokens.write(group, { launchToken, count: taken + wanted }, signal)
      await this.#client.setDesiredCapacity(desired + wanted, signal)
      this.#unanswered = undefined
    }
    return answer(group, count, { requested: taken + wanted })
  }

  /**
   * How many an earlier call with this token has got. What is missing of a launch of an earlier process may be on its
   * way.
   */
  async #takenOf(launchToken: string, group: AutoScalingGroup, signal: AbortSignal): Promise<number> {
    const bySize =
      this.#unanswered?.token === launchToken ? Math.max(0, baseOf(group) - this.#unanswered.from) : undefined
    if (!this.#tokens.isWritten(launchToken, group)) return bySize ?? 0
    await this.#tokens.learn(group, signal)
    const made = this.#tokens.madeBy(launchToken)
    return Math.max(made, bySize ?? made + missingOf(group))
  }

  lowered(by: number): void {
    if (this.#unanswered !== undefined) this.#unanswered.from -= by
  }
}

/** Whether all are there that began with the newest. */
function hasAllOfNewest(activities: readonly Activity[]): boolean {
  const [newest] = activities
  return newest !== undefined && activities.some((activity) => startMs(activity) < startMs(newest))
}

/** The most instances of one call. */
const maxLaunched = 100

/**
 * Launches in one zone after the other, the emptiest first, until there are enough. What cannot be launched at once is
 * not launched later.
 */
export class InstantLaunches implements Launches {
  readonly #client: AwsClient
  readonly #tokens: LaunchTokens
  /** Of launches without a clear answer, so that they are asked for again in the same words. */
  readonly #plans = new Map<string, { readonly group: AutoScalingGroup; readonly wanted: number }>()

  constructor(client: AwsClient, tokens: LaunchTokens) {
    this.#client = client
    this.#tokens = tokens
  }

  async increase({ count, launchToken }: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    const plan = this.#plans.get(launchToken) ?? (await this.#plan(count, launchToken, signal))
    this.#plans.set(launchToken, plan)
    if (this.#plans.size > plansKept) this.#plans.delete(this.#plans.keys().next().value!)
    const ids: string[] = []
    const errors: GroupError[] = []
    let calls = 0
    for (const zone of zonesOf(plan.group)) {
      let isRefused = false
      while (ids.length < plan.wanted && !isRefused) {
        const amount = Math.min(plan.wanted - ids.length, maxLaunched)
        calls += 1
        const launched = await this.#launch(amount, zone, `${launchToken}-${calls}`, signal)
        ids.push(...launched.ids)
        errors.push(...launched.errors)
        isRefused = launched.ids.length < amount
        // Too many calls, or a key that is not valid: the next zone would not answer otherwise.
        if (launched.errors.some(({ code }) => code === 'throttled' || code === 'auth'))
          return answer(plan.group, count, { requested: ids.length, ids, errors })
      }
    }
    return answer(plan.group, count, { requested: ids.length, ids, ...(ids.length < plan.wanted && { errors }) })
  }

  lowered(): void {}

  async #plan(count: number, launchToken: string, signal: AbortSignal) {
    const group = await this.#client.describeGroup(signal)
    const wanted = Math.min(count, roomOf(group))
    if (wanted > 0) await this.#tokens.write(group, { launchToken, count: wanted }, signal)
    return { group, wanted }
  }

  /** Thrown: `transient`, when nobody knows what came of it; the same token then finds out. */
  async #launch(
    count: number,
    zone: string,
    token: string,
    signal: AbortSignal,
  ): Promise<{ ids: string[]; errors: GroupError[] }> {
    try {
      const { Instances = [], Errors = [] } = await this.#client.launchInstances(count, zone, token, signal)
      const ids = Instances.flatMap(({ InstanceIds = [] }) => InstanceIds)
      const errors = Errors.map(({ ErrorCode = '', ErrorMessage = '' }) => {
        return new GroupError(
          meaningOf(ErrorCode) ?? 'transient',
          `launching in ${zone}: ${ErrorCode}: ${ErrorMessage}`,
        )
      })
      return { ids, errors }
    } catch (thrown) {
      signal.throwIfAborted()
      const error = asGroupError(thrown)
      if (error.code === 'transient' || error.code === 'conflict') throw error
      return { ids: [], errors: [error] }
    }
  }
}

/** More than can be under way at once. */
const plansKept = 100

/** The emptiest first. */
function zonesOf({ AvailabilityZones = [], Instances = [] }: AutoScalingGroup): readonly string[] {
  const counts = new Map(AvailabilityZones.map((zone) => [zone, 0]))
  for (const instance of Instances.filter(fillsCapacity)) {
    const zone = instance.AvailabilityZone ?? ''
    counts.set(zone, (counts.get(zone) ?? 0) + 1)
  }
  return AvailabilityZones.toSorted((a, b) => counts.get(a)! - counts.get(b)!)
}

/** What did not fit is told as a quota error. */
function answer(group: AutoScalingGroup, count: number, result: IncreaseResult): IncreaseResult {
  const room = roomOf(group)
  if (count <= room || result.requested === count) return result
  const message = `${count} more would be more than the ${group.MaxSize} that the Auto Scaling group may have`
  return { ...result, errors: [...(result.errors ?? []), new GroupError('quota', message)] }
}
