import {
  type Clock,
  GroupError,
  type IncreaseRequest,
  type IncreaseResult,
  type ListedInstance,
  launchesOf,
  type MachineLaunches,
  type Tags,
  TaskQueue,
  withLaunch,
  withLaunchesEnded,
} from '@runner-core/fleeting'
import { missingMachines, type SetSize, sizeOf, sizeWithout } from './capacity.ts'
import type { AzureClient, Operation } from './client.ts'
import { type AzureFailure, asAzureError } from './errors.ts'
import type { Machine } from './machine.ts'

export interface LaunchesOptions {
  readonly client: AzureClient
  readonly clock: Clock
  /** Whose launches these are. */
  readonly fleet: string
  readonly maxSize: number
  /** Knows the machines that `listMachines` has listed. */
  readonly machineLaunches: MachineLaunches
  readonly listMachines: (signal: AbortSignal) => Promise<readonly Machine[]>
}

/** For so long a delete may not show in the size, or in the list. */
export const longestLagMs = 300_000

/** For so long after a change that has not failed its machines may not be listed. */
const longestListLagMs = 60_000

interface Leaving {
  readonly at: number
  /**
   * Azure has accepted its delete. Otherwise it may have: the answer was lost, or the machine was not listed any more.
   */
  readonly isSure: boolean
}

/**
 * Raises the set's size, and finds out what came of it. Azure accepts first and fails later, and the size stays raised
 * over machines that never come: those are rows of their own here, until the size is lowered by them. See
 * docs/decisions/azure-capacity.md.
 */
export class Launches {
  readonly #options: LaunchesOptions
  /** All that changes the size goes through it, deletions too. */
  readonly #writes = new TaskQueue(1)
  /** A change was asked for, by us or before our time, and how it ended is not known. */
  #isUnsettled = true
  /** The last change, while it is under way and can be followed. A later one takes over the size of an earlier one. */
  #operation: (Operation & { readonly askedAt: number }) | undefined
  /** When the set was first seen after the last change, with nothing under way. */
  #settledAt: number | undefined
  /** Why the last change failed, once it did. */
  #failure: AzureFailure | undefined
  /** Machines that were asked for and never came, by ids of our own. */
  readonly #missing = new Map<string, ListedInstance>()
  #missingCount = 0
  /** Machines that the size may still count, by id. */
  readonly #leaving = new Map<string, Leaving>()

  constructor(options: LaunchesOptions) {
    this.#options = options
  }

  /** Machines that were asked for and never came. */
  get missing(): readonly ListedInstance[] {
    return [...this.#missing.values()]
  }

  isMissing(id: string): boolean {
    return this.#missing.has(id)
  }

  /**
   * The launch is written on the set in the same request: asked for again after its answer was lost, by whatever
   * process, it is known by that.
   */
  increase({ count, launchToken }: IncreaseRequest, signal: AbortSignal): Promise<IncreaseResult> {
    const { client, maxSize, fleet } = this.#options
    return this.exclusively(signal, async () => {
      const size = sizeOf(await client.getSet(signal))
      const { open, ended } = launchesOf(size.tags, fleet)
      const made = [...open, ...ended].find((launch) => launch.launchToken === launchToken)
      if (made !== undefined) return this.#answer(count, made.count)
      const there = await this.#sizeOfThoseThere(size, signal)
      const base = there - (await this.#lagOf(there, size, signal))
      const requested = Math.max(0, Math.min(count, maxSize - base))
      if (requested > 0) {
        await this.#resize(
          base + requested,
          withLaunch(size.tags, fleet, { launchToken, count: requested }, size.isSettled),
          size,
          signal,
        )
        this.#missing.clear()
      }
      return this.#answer(count, requested)
    })
  }

  /** Lists the machines, and with them finds out how the last change ended. */
  async survey(signal: AbortSignal): Promise<readonly Machine[]> {
    const { client, listMachines } = this.#options
    if (!this.#isUnsettled) return listMachines(signal)
    return this.exclusively(signal, async () => {
      if (await this.#isUnderWay(signal)) return listMachines(signal)
      // The size first: what comes between the two reads is then seen as a machine, never as one that is missing.
      const size = sizeOf(await client.getSet(signal))
      const machines = await listMachines(signal)
      if (size.isSettled) {
        const missing = missingMachines(size, machines.length)
        const late = this.#mayBeLate(size)
          ? missing
          : this.#failure === undefined
            ? Math.min(missing, this.#goneOf(machines))
            : 0
        // What a late list does not show yet, and what a late size still counts, is not missing; it is looked at again.
        this.#isUnsettled = late > 0
        this.#account(missing - late, size.tags)
      }
      return machines
    })
  }

  /** Lowers the size by machines that never came. */
  giveBack(ids: readonly string[], signal: AbortSignal): Promise<void> {
    const { client, fleet, listMachines } = this.#options
    return this.exclusively(signal, async () => {
      const left = ids.filter((id) => this.#missing.has(id))
      if (left.length === 0) return
      const size = sizeOf(await client.getSet(signal))
      if (!size.isSettled) throw underWay()
      const lower = sizeWithout(left.length, size, (await listMachines(signal)).length)
      if (lower < size.capacity) await this.#resize(lower, withLaunchesEnded(size.tags, fleet), size, signal)
      for (const id of left) this.#missing.delete(id)
    })
  }

  /** Lowers the size to the number of machines. Thrown: `conflict`, while nobody knows yet how many will come. */
  giveBackAll(signal: AbortSignal): Promise<number> {
    const { client, fleet, listMachines } = this.#options
    return this.exclusively(signal, async () => {
      const size = sizeOf(await client.getSet(signal))
      const machineCount = (await listMachines(signal)).length
      if (size.capacity <= machineCount) return 0
      if (!size.isSettled || this.#mayBeLate(size)) throw underWay()
      await this.#resize(machineCount, withLaunchesEnded(size.tags, fleet), size, signal)
      this.#missing.clear()
      return 0
    })
  }

  /** Azure has accepted the deletion of these, and lowers the size by them. */
  deleted(ids: readonly string[]): void {
    const at = this.#options.clock.now()
    for (const id of ids) this.#leaving.set(id, { at, isSure: true })
  }

  /** The same, or perhaps not: the answer was lost, or they are gone without our doing, evicted for instance. */
  perhapsDeleted(ids: readonly string[]): void {
    const at = this.#options.clock.now()
    for (const id of ids) if (!this.#leaving.has(id)) this.#leaving.set(id, { at, isSure: false })
  }

  /** Runs what changes the size alone. */
  exclusively<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    return this.#writes.run(act, signal)
  }

  #answer(count: number, requested: number): IncreaseResult {
    if (requested === count) return { requested }
    const message = `${requested} of ${count} more fit: the scale set can have ${this.#options.maxSize} machines`
    return { requested, errors: [new GroupError('quota', message)] }
  }

  /** The size without what is missing: who asks for more does not ask for that again. */
  async #sizeOfThoseThere(size: SetSize, signal: AbortSignal): Promise<number> {
    if (this.#missing.size === 0) return size.capacity
    if (!size.isSettled) throw underWay()
    return sizeWithout(this.#missing.size, size, (await this.#options.listMachines(signal)).length)
  }

  /**
   * By how much `there`, the size without what is missing, lags behind machines that left: it is above those that stay
   * and those still to come. Never more than have left, so whatever else somebody asked for stays asked for.
   */
  async #lagOf(there: number, size: SetSize, signal: AbortSignal): Promise<number> {
    const { fleet, listMachines, machineLaunches } = this.#options
    this.#forgetOld()
    if (this.#leaving.size === 0) return 0
    const machines = await listMachines(signal)
    const staying = machines.filter(
      ({ id, provisioningState }) => provisioningState !== 'Deleting' && this.#leaving.get(id)?.isSure !== true,
    )
    const open = size.isSettled && this.#operation === undefined ? [] : launchesOf(size.tags, fleet).open
    // Machines that came and went are not to come any more.
    const coming = open.reduce(
      (sum, { launchToken, count }) => sum + Math.max(0, count - machineLaunches.madeBy(launchToken)),
      0,
    )
    return Math.min(this.#leaving.size, Math.max(0, there - staying.length - coming))
  }

  /**
   * Whether machines of the last change may be there that no list shows yet. What a launch is known to have failed at
   * is not late.
   */
  #mayBeLate({ hasFailed }: SetSize): boolean {
    const now = this.#options.clock.now()
    this.#settledAt ??= now
    return !hasFailed && this.#failure === undefined && now - this.#settledAt < longestListLagMs
  }

  /** How many of those that left of late are not listed any more. */
  #goneOf(machines: readonly Machine[]): number {
    this.#forgetOld()
    const listed = new Set(machines.map(({ id }) => id))
    return [...this.#leaving.keys()].filter((id) => !listed.has(id)).length
  }

  #forgetOld(): void {
    const now = this.#options.clock.now()
    for (const [id, { at }] of this.#leaving) if (now - at > longestLagMs) this.#leaving.delete(id)
  }

  async #resize(capacity: number, tags: Tags, { etag }: SetSize, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#options
    // Before the call: it may be done although its answer is lost.
    this.#isUnsettled = true
    this.#operation = undefined
    this.#settledAt = undefined
    this.#failure = undefined
    const operation = await client.resize(capacity, tags, etag, signal)
    // The size is what was written, and what has left is not in it.
    this.#leaving.clear()
    if (operation !== undefined) this.#operation = { ...operation, askedAt: clock.now() }
  }

  /** Looks at the last change, if it can be followed and Azure wants to be asked again. */
  async #isUnderWay(signal: AbortSignal): Promise<boolean> {
    const { client, clock } = this.#options
    const operation = this.#operation
    if (operation === undefined) return false
    if (clock.now() < operation.askedAt + operation.retryAfterMs) return true
    const status = await client.operation(operation.url, signal).catch(forgotten)
    if (status?.state === 'under way') {
      this.#operation = { ...operation, askedAt: clock.now(), retryAfterMs: status.retryAfterMs }
      return true
    }
    this.#operation = undefined
    this.#failure = status?.failure
    return false
  }

  #account(count: number, tags: Tags): void {
    const { clock, machineLaunches } = this.#options
    const failure = this.#failure ?? {
      message: 'the scale set is larger than its number of machines, and no operation is in progress',
    }
    const error = asAzureError('a machine never appeared', failure)
    for (const id of [...this.#missing.keys()].slice(count)) this.#missing.delete(id)
    while (this.#missing.size < count) {
      this.#missingCount += 1
      const id = `not-launched-${clock.wallTime()}-${this.#missingCount}`
      machineLaunches.learnMissing(id, tags)
      const launchToken = machineLaunches.tokenOf(id)
      this.#missing.set(id, {
        id,
        state: 'failed',
        detail: failure.code ?? failure.message,
        error,
        ...(launchToken !== undefined && { launchToken }),
      })
    }
  }
}

/** Azure keeps the end of an operation for some time only. */
function forgotten(error: unknown): undefined {
  if (error instanceof GroupError && error.code === 'not_found') return undefined
  throw error
}

function underWay(): GroupError {
  return new GroupError('conflict', 'a change of the scale set is in progress, and its result is not known yet')
}
