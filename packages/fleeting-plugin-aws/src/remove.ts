import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling'
import { asGroupError, GroupError } from '@runner-core/fleeting'
import { type AwsClient, mostTerminated } from './client.ts'
import { loweredCapacity, missingOf } from './desired-capacity.ts'
import { isForeignAnswer } from './errors.ts'
import { isLeaving } from './states.ts'

/** Removes instances of one group, by name. One call at a time: whoever calls takes care of it. */
export class Removals {
  readonly #client: AwsClient
  /** False once the endpoint has shown that it knows only single ids. */
  #knowsBatches = true

  constructor(client: AwsClient) {
    this.#client = client
  }

  /** Terminates those of `ids` that are in the group, and lowers the desired capacity by them; other ids are never sent. Answers how many ended, and an error for each that is still there. */
  async terminate(
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly ended: number; readonly errors: readonly GroupError[] }> {
    const doomed = stayingIn(await this.#client.describeGroup(signal), ids)
    const errors: GroupError[] = []
    for (let first = 0; first < doomed.length; first += mostTerminated) {
      errors.push(...(await this.#terminateSome(doomed.slice(first, first + mostTerminated), signal)))
    }
    const ended = doomed.length - errors.length
    if (!errors.some(isAboutOne)) return { ended, errors }
    // Refused by name: perhaps it went by itself meanwhile.
    const staying = new Set(stayingIn(await this.#client.describeGroup(signal), doomed))
    return { ended, errors: errors.filter(({ instanceId }) => staying.has(instanceId!)) }
  }

  /**
   * Gives back the capacity of up to `count` failed launches. Answers by how many the desired capacity was lowered, and how many could not be given back, with the reason. Those launched after all count as neither.
   */
  async giveBack(
    count: number,
    signal: AbortSignal,
  ): Promise<{ readonly lowered: number; readonly kept: number; readonly reason?: string }> {
    const group = await this.#client.describeGroup(signal)
    const { DesiredCapacity = 0 } = group
    const wanted = Math.min(count, missingOf(group))
    if (wanted === 0) return { lowered: 0, kept: 0 }
    const { capacity, ...why } = loweredCapacity(group, await this.#client.activities(signal), wanted)
    if (capacity < DesiredCapacity) await this.#client.setDesiredCapacity(capacity, signal)
    const lowered = DesiredCapacity - capacity
    return { lowered, kept: wanted - lowered, ...why }
  }

  /**
   * In one call, if it can be. When an endpoint refuses the batch as such, or does not understand it, each is asked for by itself: one of them may have gone, or `InstanceIds` is not known there, which is then remembered.
   * An endpoint that does not know it may answer with a page that is none of AWS's (moto), or miss `InstanceId` (AWS before August 2026).
   */
  async #terminateSome(ids: readonly string[], signal: AbortSignal): Promise<readonly GroupError[]> {
    if (ids.length === 1 || !this.#knowsBatches) return this.#terminateEach(ids, signal)
    try {
      await this.#client.terminateBatch(ids, signal)
      return []
    } catch (thrown) {
      signal.throwIfAborted()
      const error = asGroupError(thrown)
      if (!isAboutOne(error) && !isForeignAnswer(error)) return ids.map((id) => ofInstance(id, error))
      const errors = await this.#terminateEach(ids, signal)
      if (errors.length === 0) this.#knowsBatches = false
      return errors
    }
  }

  async #terminateEach(ids: readonly string[], signal: AbortSignal): Promise<readonly GroupError[]> {
    const errors: GroupError[] = []
    for (const [index, id] of ids.entries()) {
      try {
        await this.#client.terminateOne(id, signal)
      } catch (thrown) {
        signal.throwIfAborted()
        const error = asGroupError(thrown)
        // The others would fare no better.
        if (!isAboutOne(error)) return [...errors, ...ids.slice(index).map((rest) => ofInstance(rest, error))]
        errors.push(error)
      }
    }
    return errors
  }
}

/** Those that are in the group and not yet on their way out. */
function stayingIn({ Instances = [] }: AutoScalingGroup, ids: readonly string[]): readonly string[] {
  const staying = new Set(Instances.filter((instance) => !isLeaving(instance)).map(({ InstanceId }) => InstanceId))
  return [...new Set(ids)].filter((id) => staying.has(id))
}

/** Whether an error is of what was named, and not of the call. */
function isAboutOne({ code }: GroupError): boolean {
  return code === 'invalid_config' || code === 'not_found'
}

function ofInstance(instanceId: string, { code, message, retryAfterMs, cause }: GroupError): GroupError {
  return new GroupError(code, message, { instanceId, cause, ...(retryAfterMs !== undefined && { retryAfterMs }) })
}
