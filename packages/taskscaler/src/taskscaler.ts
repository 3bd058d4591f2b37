import type { Clock } from '@runner-core/fleeting'
import { Provisioner, type ShutdownOptions } from '@runner-core/fleeting/provisioner'
import { Journal } from '@runner-core/fleeting/state'
import { type Counters, newCounters, refusalOperation } from './counters.ts'
import { DemandBefore } from './demand/demand-before.ts'
import { explainWait } from './explain/explain-wait.ts'
import { describeInstance, type InstanceStatus } from './explain/instance-status.ts'
import { countTasks, desiredInstances, type TaskscalerStatus } from './explain/status.ts'
import { InvalidSettingsError } from './invalid-settings.ts'
import { ScalingLoop } from './loop/scaling-loop.ts'
import type { TaskscalerObserver } from './observer.ts'
import { refusePromise, refuseUnkept } from './plan/admission.ts'
import { failuresText } from './plan/held-back.ts'
import { keptSlots } from './plan/plan.ts'
import type { IdlePolicy } from './plan/policy.ts'
import type { ScalingPlan } from './plan/scaling-plan.ts'
import type { ScalingSnapshot } from './plan/scaling-snapshot.ts'
import { compileSchedule } from './plan/schedule.ts'
import { type RunOptions, runTask, type TaskSlot } from './run-task.ts'
import {
  type AcquireOptions,
  type Acquisition,
  AlreadyEndedError,
  NoCapacityError,
  type Reservation,
  type ReserveOptions,
} from './slots/acquisition.ts'
import { Allocator } from './slots/allocator.ts'
import type { InstanceSlots } from './slots/instance-slots.ts'
import { restoreLent } from './slots/restore-lent.ts'
import { type Lender, SlotAcquisition } from './slots/slot-acquisition.ts'
import { SlotReservation } from './slots/slot-reservation.ts'
import { UsageJournal } from './slots/usage-journal.ts'
import { type LentSlot, readUsage, usageRecords } from './slots/usage-records.ts'
import { type TaskscalerOptions, type TaskscalerSettings, withDefaults } from './taskscaler-options.ts'

/**
 * Lends slots of autoscaled instances. Work that is here runs with {@link Taskscaler.run}:
 *
 *     const { code, stdout } = await scaler.run((slot) => slot.exec('make test'))
 *
 * Work that has to be asked for first takes a reservation, acquires with it once there is work, and releases at its
 * end:
 *
 *     using reservation = scaler.reserve()
 *     await using acquisition = await scaler.acquire(reservation)
 *     const connection = await acquisition.connect()
 */
export class Taskscaler implements AsyncDisposable {
  /** What happened so far. */
  readonly counters: Counters = newCounters()
  readonly #provisioner: Provisioner
  readonly #clock: Clock
  readonly #observer: TaskscalerObserver
  readonly #lender: Lender
  readonly #allocator: Allocator
  readonly #loop: ScalingLoop
  readonly #journal: UsageJournal | undefined
  readonly #demandBefore: DemandBefore
  /** By key, what an earlier process lent and nobody has claimed. */
  readonly #restored: Map<string, SlotAcquisition>
  /** Reservations that have a slot which is handed out once that can be kept, in the order in which they got it. */
  readonly #unkept = new Map<SlotReservation, UnkeptLoan>()
  #handOuts = 0
  readonly #onDispose: TaskscalerSettings['onDispose']
  /** `draining`: nothing new is accepted, and what is there comes to its end. */
  #state: 'open' | 'draining' | 'closed' = 'open'

  /**
   * Starts the provisioner, if it was not, and the scaling; instances that exist already are adopted. `signal` ends the
   * start, not the scaler. Thrown: `InvalidSettingsError`, and what `Provisioner.start` throws.
   */
  static async start(
    options: TaskscalerOptions,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Taskscaler> {
    const settings = withDefaults(options)
    const given = options.provisioner
    const { clock, logger } = settings
    const provisioner =
      'group' in given ? await Provisioner.start({ clock, logger, usage: usageRecords, ...given }, signal) : given
    if (provisioner.lease !== undefined && !provisioner.readsUsage) throw new InvalidSettingsError([noUsage])
    // A group may learn from its members how they are reached.
    if ('group' in given && given.connector === undefined && given.group.connect === undefined) {
      await provisioner.shutdown({ removeInstances: false })
      throw new InvalidSettingsError([noConnector])
    }
    return new Taskscaler(provisioner, settings)
  }

  private constructor(provisioner: Provisioner, settings: TaskscalerSettings) {
    this.#provisioner = provisioner
    this.#clock = settings.clock
    this.#observer = settings.observer
    this.#onDispose = settings.onDispose
    const { lease } = provisioner
    this.#lender = {
      keyPrefix: lease === undefined ? '' : `${lease.epoch}-`,
      release: (acquisition) => this.release(acquisition),
      condemn: ({ host, key }, reason) => {
        this.#condemn(host, `${key}: ${reason}`)
        this.#journal?.condemned(host.id, host.useCount, host.condemnedFor!)
      },
      unreserve: (reservation) => this.unreserve(reservation),
      connect: (instanceId, slot, signal) => provisioner.connect(instanceId, slot, signal),
      lost: (acquisition) => {
        this.counters.tasks.lost++
        this.#journal?.ended(acquisition)
      },
    }
    this.#journal =
      lease &&
      new UsageJournal({
        journal: Journal.over({ ...settings, lease }),
        clock: settings.clock,
        onChange: () => this.#loop.wake(),
      })
    this.#demandBefore = new DemandBefore(settings.clock)
    const limits = { ...settings.limits, capacities: provisioner.info.capacities }
    this.#allocator = new Allocator(limits, this.#lender, () => this.#loop.promiseDates())
    this.#loop = new ScalingLoop({
      ...settings,
      limits,
      demand: lease === undefined ? settings.demand : [...settings.demand, this.#demandBefore],
      provisioner,
      allocator: this.#allocator,
      counters: this.counters,
      onExpired: (reservation) => this.#tellExpired(reservation),
    })
    // In one turn, so that what is lent is busy all the time.
    const records = provisioner.takeUsage()
    this.#journal?.claim(records)
    const usage = readUsage(records)
    const { fleetSlots } = this.#loop
    this.#restored = restoreLent(usage, {
      fleetSlots,
      provisioner,
      limits,
      lender: this.#lender,
      clock: settings.clock,
    })
    for (const loan of usage.over) this.#journal?.ended(loan)
    this.#demandBefore.restore(usage.demand)
    if (this.#journal !== undefined)
      this.#loop.onPass(() => this.#journal?.demand(this.#allocator.waiting.size + this.#allocator.reserved))
    this.#loop.start()
  }

  /**
   * Takes a slot that is free, or else the promise of one, before a job is asked for. Thrown: {@link NoCapacityError},
   * whose message says what stands in the way.
   */
  reserve(options?: ReserveOptions): Reservation {
    if (this.#state !== 'open' || !this.#allocator.hasSlotFor(options) || this.#journal?.trouble !== undefined)
      this.#admit(options)
    const reservation = this.#allocator.reserve(options)
    this.counters.tasks.reserve++
    this.#loop.wake()
    return reservation
  }

  /**
   * Runs a task on a slot: waits in line for one, also while launches back off or no instance may be added, connects,
   * runs the task and gives the slot back, however the task ends. An instance that cannot be connected to is condemned
   * and the task gets another one; one on which something of the task may still run is condemned too.
   *
   * @returns what the task returned
   * @throws what the task threw; the reason of `signal`; `TaskTimeoutError`; `InstanceLostError`;
   * {@link NoCapacityError} `shutdown` once the scaler drains or shuts down; the last `ConnectionError` or `GroupError`
   * after three instances that could not be connected to
   */
  async run<Result>(task: (slot: TaskSlot) => Promise<Result>, options: RunOptions = {}): Promise<Result> {
    return await runTask(task, options, { acquire: () => this.#acquireInLine(options), clock: this.#clock })
  }

  /**
   * Gives a reservation up; an `acquire` that waits for it rejects with {@link AlreadyEndedError}. Does nothing when it
   * was acquired or has ended.
   */
  unreserve(reservation: Reservation): void {
    const own = this.#own(reservation)
    if (own === undefined || own.state === 'ended') return
    if (own.state === 'waiting') {
      this.#cancel(own, new AlreadyEndedError('reservation', own.key))
      return
    }
    this.#allocator.unreserve(own)
    this.counters.tasks.unreserve++
    this.#loop.wake()
  }

  /**
   * Turns a reservation into a slot: at once when one is free, otherwise when it is this job's turn, higher priorities
   * first, first come first served within one. However it ends, the reservation is over. While state cannot be written,
   * a slot that is there is handed out only once it can. Rejects with {@link AlreadyEndedError}, with the signal's
   * reason, and with {@link NoCapacityError} `shutdown`.
   */
  acquire(reservation: Reservation, options?: AcquireOptions): Promise<Acquisition> {
    const own = this.#own(reservation)
    if (own?.state !== 'open') return Promise.reject(new AlreadyEndedError('reservation', reservation.key))
    if (options?.signal?.aborted) {
      this.#allocator.unreserve(own)
      this.counters.tasks.acquire_canceled++
      return Promise.reject(options.signal.reason)
    }
    this.#demandBefore.came()
    this.#loop.wake()
    const acquisition = this.#allocator.acquire(own, options)
    if (acquisition === undefined)
      return this.#state === 'closed' ? Promise.reject(shuttingDown()) : this.#wait(own, options)
    return this.#handOut(own, acquisition, options)
  }

  /**
   * Slots that an earlier process had lent when it ended, as the state says, and that were neither claimed nor dropped.
   * They stay lent until then; one whose instance was lost is among them too.
   */
  restored(): readonly LentSlot[] {
    return [...this.#restored.values()].map(({ key, instanceId, slot, useCount }) => ({
      key,
      instanceId,
      slot,
      useCount,
    }))
  }

  /**
   * Goes on with an acquisition of an earlier process: from here on it is like any other, and is released like any
   * other. Undefined when there is none of that key, or none any more.
   */
  claimRestored(key: string): Acquisition | undefined {
    const acquisition = this.#restored.get(key)
    this.#restored.delete(key)
    return acquisition
  }

  /**
   * Gives up an acquisition of an earlier process. Something of its job may still run there, so the instance gets no
   * more jobs and goes once it is empty.
   */
  dropRestored(key: string, reason: string): void {
    const acquisition = this.claimRestored(key)
    if (acquisition === undefined) return
    acquisition.condemn(reason)
    this.release(acquisition)
  }

  /**
   * Ends an acquisition: its slot goes to the next job, or, if the instance is condemned or used up, to nobody any
   * more. Idempotent.
   */
  release(acquisition: Acquisition): void {
    if (
      !(acquisition instanceof SlotAcquisition) ||
      acquisition.lender !== this.#lender ||
      acquisition.state !== 'lent'
    )
      return
    acquisition.state = 'released'
    this.#journal?.ended(acquisition)
    this.#allocator.release(acquisition, this.#clock)
    this.counters.tasks.release++
    this.#loop.wake()
  }

  /** Replaces the idle policies, all or none. Thrown: `InvalidSettingsError`; the old ones stay in force then. */
  configureSchedule(policies: readonly IdlePolicy[]): void {
    this.#loop.schedule = compileSchedule(policies)
    this.#loop.wake()
  }

  /**
   * Calls `listener` soon after anything changed that may let a refused `reserve` succeed: a slot became free, an
   * instance ready, a back-off ended. Only a hint, and it comes without cause too. Must not throw. Returns how to stop.
   */
  onChange(listener: () => void): () => void {
    return this.#loop.onPass(listener)
  }

  /**
   * In words, why a reservation has no slot yet: its place in the queue, what is being made since when, and what holds
   * more back.
   */
  explainWait(reservation: Reservation): string {
    const own = this.#own(reservation)
    const unkept = own && this.#unkept.get(own)
    if (unkept !== undefined)
      return `a slot of instance ${unkept.instanceId} is handed out once state can be written: ${this.#journal?.trouble ?? 'it can be now'}`
    if (own === undefined || own.state === 'ended') return 'the reservation has ended'
    const { kind, readyAt, wait } = own
    const { backoffs } = this.#provisioner.launchState()
    return explainWait({
      kind,
      readyAt,
      isObserved: this.#loop.readyTimes.estimateMs !== undefined,
      ...(wait !== undefined && {
        wait: { since: wait.since, expired: wait.expired, position: this.#allocator.waiting.positionOf(own) },
      }),
      coming: this.#loop.coming(),
      heldBack: this.#loop.plan().heldBack,
      ...(backoffs.length > 0 && { failures: failuresText(backoffs) }),
      now: this.#clock.now(),
    })
  }

  /** What would be done now, and why; does nothing. */
  plan(): ScalingPlan {
    return this.#loop.plan()
  }

  /** What {@link plan} decides from. */
  snapshot(): ScalingSnapshot {
    return this.#loop.snapshot()
  }

  /** Every instance, and why it is there. Costs as much as there are instances. */
  instances(): InstanceStatus[] {
    const { fleetSlots, policy } = this.#loop
    const snapshot = this.#loop.snapshot()
    const surroundings = {
      wanted: keptSlots(snapshot, policy),
      available: snapshot.supply.available - (snapshot.supply.warming ?? 0),
      policy,
      now: this.#clock.now(),
    }
    return Array.from(fleetSlots.hosts(), (host) => describeInstance(host, surroundings))
  }

  /** Ids of the instances that are ready and not on their way out, whether their slots may be lent now or not. */
  readyInstances(): string[] {
    const ready: string[] = []
    for (const host of this.#loop.fleetSlots.hosts())
      if (host.proof === 'proven' && host.instance.state === 'running' && !host.isLeaving) ready.push(host.id)
    return ready
  }

  status(): TaskscalerStatus {
    const { fleetSlots, policy, lastPlan, passedAt, readyTimes } = this.#loop
    return {
      tasks: countTasks(this.#allocator, fleetSlots),
      desiredInstances: desiredInstances(fleetSlots, this.#provisioner.launchState(), lastPlan),
      policy,
      lastPlan,
      passedAt,
      ...(readyTimes.estimateMs !== undefined && { readyMs: readyTimes.estimateMs }),
    }
  }

  /**
   * Accepts no more reservations and tasks, and resolves once every slot is given back and nobody waits. What was
   * accepted before comes to its end. Instances stay as the policy says: `shutdown` follows.
   *
   * @throws the reason of `signal`; the scaler drains on
   */
  drain({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#state === 'open') this.#state = 'draining'
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        stopListening()
        signal?.removeEventListener('abort', onAbort)
        settle()
      }
      const onAbort = (): void => end(() => reject(signal?.reason))
      const look = (): void => {
        const { pool, waiting, openReservations } = this.#allocator
        if (pool.acquired + waiting.size + openReservations === 0) end(resolve)
      }
      const stopListening = this.#loop.onPass(look)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (signal?.aborted) onAbort()
      else look()
    })
  }

  /**
   * Refuses reservations, ends waits with {@link NoCapacityError} `shutdown`, and shuts the provisioner down. With
   * `removeInstances`, slots that are in use have until `timeoutMs` to be given back; a busy instance is never removed.
   * Then all connections end. Idempotent.
   *
   * @returns the ids of instances that were to be removed and are not known to be gone; see `ShutdownReport`
   */
  async shutdown(options: Partial<ShutdownOptions> = {}): Promise<{ readonly remaining: readonly string[] }> {
    this.#state = 'closed'
    this.#loop.stop()
    const { waiting } = this.#allocator
    for (let next = waiting.first; next !== undefined; next = waiting.first) this.#cancel(next, shuttingDown())
    this.#journal?.close(shuttingDown())
    try {
      return await this.#provisioner.shutdown({ removeInstances: this.#onDispose === 'remove-instances', ...options })
    } finally {
      this.#loop.close()
    }
  }

  /** Shuts down, and does with the instances what `onDispose` says. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown()
  }

  /** Without asking whether a slot can be promised: the caller waits, however long it takes. */
  #acquireInLine({ priority, key, signal }: RunOptions): Promise<Acquisition> {
    if (this.#state !== 'open') return Promise.reject(shuttingDown())
    const reservation = this.#allocator.reserve({
      ...(priority !== undefined && { priority }),
      ...(key !== undefined && { key }),
    })
    this.counters.tasks.reserve++
    return this.acquire(reservation, { ...(signal !== undefined && { signal }) })
  }

  #own(reservation: Reservation): SlotReservation | undefined {
    return reservation instanceof SlotReservation && reservation.lender === this.#lender ? reservation : undefined
  }

  #admit(options: ReserveOptions | undefined): void {
    if (this.#state !== 'open') throw shuttingDown()
    const { policy, watch } = this.#loop
    const refusal =
      refuseUnkept(this.#journal?.trouble) ??
      refusePromise(this.#loop.snapshot(), policy, this.#allocator.unservedBefore(options))
    if (refusal === undefined) return
    watch.refused(refusal, policy, this.#clock.wallTime())
    this.counters.tasks[refusalOperation(refusal.reason)]++
    throw new NoCapacityError(refusal.reason, refusal.message)
  }

  #wait(reservation: SlotReservation, { signal, onWait, onReplanned }: AcquireOptions = {}): Promise<Acquisition> {
    const since = this.#clock.now()
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#cancel(reservation, signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#allocator.wait(reservation, {
        since,
        onReplanned,
        expired: 0,
        reject,
        resolve: (acquisition) => {
          this.#observer.waited?.(this.#clock.now() - since)
          resolve(this.#handOut(reservation, acquisition, signal && { signal }))
        },
        unlisten: () => signal?.removeEventListener('abort', onAbort),
      })
      onWait?.()
    })
  }

  #cancel(reservation: SlotReservation, reason: unknown): void {
    this.#allocator.cancelWait(reservation, reason)
    this.counters.tasks.acquire_canceled++
    this.#loop.wake()
  }

  #handOut(reservation: SlotReservation, acquisition: SlotAcquisition, options?: AcquireOptions): Promise<Acquisition> {
    const { host } = acquisition
    this.counters.tasks.acquire++
    if (host.warmUp !== undefined) this.#loop.warmUps.lent(host)
    if (host.usedUp) this.#condemn(host, `it was used ${host.useCount} times and has reached max_use_count`)
    return this.#journal === undefined
      ? Promise.resolve(acquisition)
      : this.#kept(reservation, acquisition, this.#journal, options)
  }

  /** A slot is lent only once the next process would know. */
  async #kept(
    reservation: SlotReservation,
    acquisition: SlotAcquisition,
    journal: UsageJournal,
    { signal, onWait }: AcquireOptions = {},
  ): Promise<Acquisition> {
    const number = ++this.#handOuts
    let end = (): void => {}
    const tellWait = (): void => {
      const over = new Promise<void>((resolve) => {
        end = resolve
      })
      this.#unkept.set(reservation, { instanceId: acquisition.instanceId, number, over })
      onWait?.()
    }
    try {
      const { signal: lost } = acquisition
      await journal.lent(acquisition, {
        signal: signal === undefined ? lost : AbortSignal.any([signal, lost]),
        onWait: tellWait,
      })
      // One that could be kept at once is not handed out before an earlier one that could not.
      for (const earlier of this.#unkept.values()) if (earlier.number < number) await earlier.over
      return acquisition
    } catch (error) {
      // Nothing can run there any more, so nobody has to know of it later. Whoever has it takes another.
      if (acquisition.signal.aborted && signal?.aborted !== true) return acquisition
      this.release(acquisition)
      throw error
    } finally {
      this.#unkept.delete(reservation)
      end()
    }
  }

  #condemn(host: InstanceSlots, reason: string): void {
    this.#loop.fleetSlots.condemn(host, reason, this.#clock.now())
    this.#loop.wake()
  }

  #tellExpired(reservation: SlotReservation): void {
    const { wait } = reservation
    // Whoever was told just before may have ended this one.
    if (wait === undefined) return
    wait.expired++
    this.counters.tasks.replan++
    wait.onReplanned?.(this.explainWait(reservation))
  }
}

interface UnkeptLoan {
  readonly instanceId: string
  /** Which of all slots that were handed out it is. */
  readonly number: number
  /** Resolves when it is handed out, or given up. */
  readonly over: Promise<void>
}

const noUsage =
  'provisioner: expected one that was started with usage: usageRecords, since it has a lease: without it, slots that an earlier process handed out would be handed out again'

const noConnector =
  'provisioner.connector: expected a connector, got none, and the group has no connect method: no instance could be used'

function shuttingDown(): NoCapacityError {
  return new NoCapacityError('shutdown', 'the scaler is shutting down')
}
