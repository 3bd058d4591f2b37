import { Provisioner, type ProvisionerOptions } from '@runner-core/fleeting/provisioner'
import {
  ManualClock,
  MemoryGroup,
  type MemoryGroupOptions,
  seededRandom,
  simpleShell,
} from '@runner-core/fleeting/testing'
import {
  type AcquireOptions,
  type Acquisition,
  type Reservation,
  type ResolvedPolicy,
  resolvePolicy,
  Taskscaler,
  type TaskscalerOptions,
  usageRecords,
} from '@runner-core/taskscaler'

/** Keeps nothing; an instance may be idle for a minute. */
export const policy: ResolvedPolicy = resolvePolicy({ timezone: 'UTC', idleTimeMs: 60_000 })

export interface RigOptions extends Partial<Omit<TaskscalerOptions, 'provisioner' | 'clock'>> {
  readonly maxInstances?: number
  readonly group?: Partial<MemoryGroupOptions>
  readonly provisioner?: Partial<ProvisionerOptions>
  /** Instances that were there before. */
  readonly existing?: number
  /** The provisioner tells nobody when something changes. */
  readonly silent?: boolean
}

/**
 * A taskscaler on a cloud in memory, where a machine boots in 30 s and goes in 5, and where time passes when it is told
 * to.
 */
export class Rig {
  readonly clock: ManualClock
  readonly group: MemoryGroup
  readonly provisioner: Provisioner
  readonly scaler: Taskscaler

  private constructor(clock: ManualClock, group: MemoryGroup, provisioner: Provisioner, scaler: Taskscaler) {
    this.clock = clock
    this.group = group
    this.provisioner = provisioner
    this.scaler = scaler
  }

  static async start({
    maxInstances = 10,
    group: groupOptions,
    provisioner: provisionerOptions,
    existing = 0,
    silent = false,
    ...options
  }: RigOptions = {}): Promise<Rig> {
    const clock = new ManualClock()
    const group = new MemoryGroup({
      clock,
      shell: simpleShell,
      bootDelayMs: 30_000,
      deleteDelayMs: 5_000,
      ...groupOptions,
    })
    for (let made = 0; made < existing; made++) group.addForeign()
    const starting = Provisioner.start(
      { group, clock, maxInstances, random: seededRandom(1), usage: usageRecords, ...provisionerOptions },
      new AbortController().signal,
    )
    await clock.advance(0)
    const provisioner = await starting
    if (silent) provisioner.onChange = () => () => {}
    const scaler = await Taskscaler.start({
      policies: [policy],
      onDispose: 'keep-instances',
      ...options,
      provisioner,
      clock,
    })
    await clock.advance(0)
    return new Rig(clock, group, provisioner, scaler)
  }

  /** Reserves and acquires, and lets time pass until the slot is there: 300 s at most. */
  async acquire(options?: AcquireOptions): Promise<Acquisition> {
    const job = this.begin(this.scaler.reserve(), options)
    for (let waited = 0; job.acquisition === undefined && job.error === undefined && waited < 300; waited++)
      await this.clock.advance(1000)
    if (job.acquisition === undefined) throw job.error ?? new Error('no slot within 300 s')
    return job.acquisition
  }

  /** Acquires and looks what becomes of it. */
  begin(reservation: Reservation, options?: AcquireOptions): { acquisition?: Acquisition; error?: unknown } {
    const job: { acquisition?: Acquisition; error?: unknown } = {}
    this.scaler.acquire(reservation, options).then(
      (acquisition) => (job.acquisition = acquisition),
      (error) => (job.error = error),
    )
    return job
  }
}
