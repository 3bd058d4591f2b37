import type { Activity, AutoScalingGroup, Instance } from '@aws-sdk/client-auto-scaling'
import { asGroupError, GroupError } from '@runner-core/fleeting'
import { reachBack, startingOf } from './activities.ts'
import { maxTerminated } from './call-sizes.ts'
import type { AwsClient } from './client.ts'
import { loweredCapacity, missingOf, surplusOf } from './desired-capacity.ts'
import { isForeignAnswer } from './errors.ts'
import { isLeaving } from './states.ts'

/** Removes instances of one group, by name. One call at a time: whoever calls takes care of it. */
export class Removals {
  readonly #client: AwsClient
  /** False once the endpoint has shown that it knows only single ids. */
  #knowsBatches = true
  /** Launched, and not shown by the group yet: AWS's reads may lag behind its writes. */
  readonly #unshown = new Set<string>()
  /** AWS was asked to end these, and did not answer: it may have done so, and the group's list may not show it yet. */
  readonly #perhapsEnded = new Set<string>()

  constructor(client: AwsClient) {
    this.#client = client
  }

  /** These have just been launched. */
  expect(ids: readonly string[]): void {
    for (const id of ids) this.#unshown.add(id)
  }

  /** The group shows these. */
  shown(instances: readonly Instance[]): void {
    for (const { InstanceId } of instances) this.#unshown.delete(InstanceId!)
    const staying = new Set(instances.filter((instance) => !isLeaving(instance)).map(({ InstanceId }) => InstanceId))
    for (const id of this.#perhapsEnded) if (!staying.has(id)) this.#perhapsEnded.delete(id)
  }

  /**
   * Terminates those of `ids` that are in the group, and lowers the desired capacity by them; other ids are never sent.
   * Answers by how many it was lowered, and an error for each that is still there. A group that has more than it wants
   * (somebody lowered it, and its instances are protected) is not lowered further: it could not be, below its minimum.
   */
  async terminate(
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly lowered: number; readonly errors: readonly GroupError[] }> {
    const group = await this.#client.describeGroup(signal)
    const unshown = ids.filter((id) => this.#unshown.delete(id))
    const doomed = [...new Set([...stayingIn(group, ids), ...unshown])]
    // Those that may have been ended are perhaps shown by a late list alone: they make no surplus.
    const surplus = doomed.splice(0, Math.max(0, surplusOf(group) - stayingIn(group, [...this.#perhapsEnded]).length))
    const unlowered = await this.#terminateAll(surplus, false, signal)
    const refused = await this.#terminateAll(doomed, true, signal)
    const errors = [...unlowered, ...refused]
    const lowered = doomed.length - refused.length
    if (!errors.some(isAboutOne)) return { lowered, errors }
    // Refused by name: perhaps it went by itself meanwhile.
    const staying = new Set(stayingIn(await this.#client.describeGroup(signal), ids))
    return { lowered, errors: errors.filter(({ instanceId }) => staying.has(instanceId!)) }
  }

  /**
   * Gives back the capacity of up to `count` failed launches. Answers by how many the desired capacity was lowered, and
   * how many could not be given back, with the reason. Those launched after all count as neither.
   */
  async giveBack(
    count: number,
    signal: AbortSignal,
  ): Promise<{ readonly lowered: number; readonly kept: number; readonly reason?: string }> {
    const group = await this.#client.describeGroup(signal)
    const { DesiredCapacity = 0 } = group
    const wanted = Math.min(count, missingOf(group))
    if (wanted === 0) return { lowered: 0, kept: 0 }
    const isEnough = (soFar: readonly Activity[]): boolean =>
      startingOf(group, soFar) >= missingOf(group) || reachBack(soFar)
    const { activities, isWhole } = await this.#client.activities(isEnough, signal)
    if (!isWhole)
      return { lowered: 0, kept: wanted, reason: 'its history is too long to determine what is in progress' }
    const { capacity, ...why } = loweredCapacity(group, activities, wanted)
    if (capacity < DesiredCapacity) await this.#client.setDesiredCapacity(capacity, signal)
    const lowered = DesiredCapacity - capacity
    return { lowered, kept: wanted - lowered, ...why }
  }

  async #terminateAll(ids: readonly string[], decrement: boolean, signal: AbortSignal): Promise<readonly GroupError[]> {
    const errors: GroupError[] = []
    for (let first = 0; first < ids.length; first += maxTerminated) {
      errors.push(...(await this.#terminateSome(ids.slice(first, first + maxTerminated), decrement, signal)))
    }
    return errors
  }

  /**
   * In one call, if it can be. When an endpoint refuses the batch as such, or does not understand it, each is asked for
   * by itself: one of them may have gone, or `InstanceIds` is not known there, which is then remembered. An endpoint
   * that does not know it may answer with a page that is none of AWS's (moto), or miss `InstanceId` (AWS before August
   * 2026).
   */
  async #terminateSome(
    ids: readonly string[],
    decrement: boolean,
    signal: AbortSignal,
  ): Promise<readonly GroupError[]> {
    if (ids.length === 1 || !this.#knowsBatches) return this.#terminateEach(ids, decrement, signal)
    try {
      await this.#client.terminate(ids, decrement, signal)
      return []
    } catch (thrown) {
      this.#note(ids, thrown)
      signal.throwIfAborted()
      const error = asGroupError(thrown)
      if (!isAboutOne(error) && !isForeignAnswer(error)) return ids.map((id) => ofInstance(id, error))
      const errors = await this.#terminateEach(ids, decrement, signal)
      if (errors.length === 0) this.#knowsBatches = false
      return errors
    }
  }

  async #terminateEach(
    ids: readonly string[],
    decrement: boolean,
    signal: AbortSignal,
  ): Promise<readonly GroupError[]> {
    const errors: GroupError[] = []
    for (const [index, id] of ids.entries()) {
      try {
        await this.#client.terminate([id], decrement, signal)
      } catch (thrown) {
        this.#note([id], thrown)
        signal.throwIfAborted()
        const error = asGroupError(thrown)
        // The answer to an earlier call was lost, and that call had ended it.
        if (isAboutOne(error) && this.#perhapsEnded.has(id)) continue
        // The others would fare no better.
        if (!isAboutOne(error)) return [...errors, ...ids.slice(index).map((rest) => ofInstance(rest, error))]
        errors.push(error)
      }
    }
    return errors
  }

  /** A call without an answer may have been done. */
  #note(ids: readonly string[], thrown: unknown): void {
    if (asGroupError(thrown).code === 'transient') for (const id of ids) this.#perhapsEnded.add(id)
  }
}

/** Those that are in the group and not yet on their way out. */
function stayingIn({ Instances = [] }: AutoScalingGroup, ids: readonly string[]): string[] {
  const staying = new Set(Instances.filter((instance) => !isLeaving(instance)).map(({ InstanceId }) => InstanceId))
  return [...new Set(ids)].filter((id) => staying.has(id))
}

/** Whether an error is of what was named, and not of the call. */
function isAboutOne({ code }: GroupError): boolean {
  return code === 'invalid_config' || code === 'not_found'
}

function ofInstance(instanceId: string, { code, message, retryAfterMs, bucket, cause }: GroupError): GroupError {
  const hint = { ...(retryAfterMs !== undefined && { retryAfterMs }), ...(bucket !== undefined && { bucket }) }
  return new GroupError(code, message, { instanceId, cause, ...hint })
}
