import { expect } from 'vitest'
import { type Instance, type InstanceChange, Provisioner, type ProvisionerOptions } from '../src/provisioner/index.ts'
import {
  ManualClock,
  type MemoryCall,
  MemoryGroup,
  type MemoryGroupOptions,
  type MemoryOperation,
  seededRandom,
  simpleShell,
} from '../src/testing/index.ts'

export const never: AbortSignal = new AbortController().signal

export interface FleetOptions extends Partial<Omit<MemoryGroupOptions, 'clock'>> {
  /** Whether the group has a `connect` of its own. Default true. */
  readonly connectable?: boolean
  readonly provisioner?: Partial<ProvisionerOptions>
}

/** A provisioner over a memory group, on a clock that stands still. At its end it must leave no timer. */
export class MemoryFleet implements AsyncDisposable {
  readonly clock = new ManualClock()
  readonly group: MemoryGroup
  readonly busy = new Set<string>()
  readonly changes: InstanceChange[] = []
  /** Set by {@link startFleet}. */
  provisioner!: Provisioner

  constructor(options: FleetOptions) {
    const { connectable = true, provisioner: _, ...cloud } = options
    this.group = new MemoryGroup({
      clock: this.clock,
      maxSize: 10,
      ...(connectable && { shell: simpleShell }),
      ...cloud,
    })
  }

  get instances(): readonly Instance[] {
    return [...this.provisioner.instances().values()]
  }

  get ids(): readonly string[] {
    return [...this.provisioner.instances().keys()]
  }

  calls(operation: MemoryOperation): readonly MemoryCall[] {
    return this.group.calls.filter((call) => call.operation === operation)
  }

  /** Launches `count` instances and lets them boot: their ids. */
  async launch(count: number): Promise<readonly string[]> {
    const before = new Set(this.ids)
    expect(this.provisioner.request(count, { reason: 'test' })).toBe(count)
    await this.clock.advance(10_000)
    const fresh = this.ids.filter((id) => !before.has(id))
    expect(fresh).toHaveLength(count)
    return fresh
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ending = this.provisioner.shutdown({ removeInstances: false })
    await this.clock.advance(120_000)
    await ending
    expect(this.clock.pendingTimers).toBe(0)
  }
}

export async function startFleet(options: FleetOptions = {}): Promise<MemoryFleet> {
  const fleet = new MemoryFleet(options)
  const { group, clock, busy } = fleet
  const starting = Provisioner.start(
    { group, clock, random: seededRandom(1), isBusy: (id) => busy.has(id), ...options.provisioner },
    never,
  )
  if (options.callDelayMs !== undefined) await clock.advance(10_000)
  fleet.provisioner = await starting
  fleet.provisioner.onChange((changes) => fleet.changes.push(...changes))
  return fleet
}
