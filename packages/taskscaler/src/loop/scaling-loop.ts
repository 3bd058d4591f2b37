import type { Provisioner } from '@runner-core/fleeting/provisioner'
import type { Counters } from '../counters.ts'
import { comingInstances } from '../explain/coming-instances.ts'
import type { Decision } from '../explain/decision.ts'
import { DecisionWatch } from '../explain/decision-watch.ts'
import type { ComingInstance } from '../explain/explain-wait.ts'
import { instanceRoom } from '../plan/instance-room.ts'
import { plan, slotsPerInstance } from '../plan/plan.ts'
import type { ResolvedPolicy } from '../plan/policy.ts'
import { type Pipeline, promiseDate } from '../plan/promise-date.ts'
import { ReadyTimes } from '../plan/ready-times.ts'
import type { InstanceDecision, ScalingPlan } from '../plan/scaling-plan.ts'
import type { ScalingSnapshot } from '../plan/scaling-snapshot.ts'
import { activePolicy, type Schedule } from '../plan/schedule.ts'
import type { Allocator, PromiseDates } from '../slots/allocator.ts'
import { tellEndings } from '../slots/endings.ts'
import { FleetSlots } from '../slots/fleet-slots.ts'
import type { InstanceSlots } from '../slots/instance-slots.ts'
import type { SlotReservation } from '../slots/slot-reservation.ts'
import type { TaskscalerSettings } from '../taskscaler-options.ts'
import { PassTimer } from './pass-timer.ts'
import { ReadinessChecker } from './readiness-checker.ts'
import { takeSnapshot } from './take-snapshot.ts'
import { WarmUps } from './warm-ups.ts'

const minuteMs = 60_000
/** A pass at least this often, and the whole list of instances compared: events are only hints. */
const heartbeatMs = 10_000
/** The same while there is a demand source that has to be asked. */
const pollMs = 1_000

export interface ScalingLoopOptions extends TaskscalerSettings {
  readonly provisioner: Provisioner
  readonly allocator: Allocator
  readonly counters: Counters
  /** A promise of capacity to somebody who waits has expired, and was made anew. */
  readonly onExpired: (reservation: SlotReservation) => void
}

/**
 * Where decisions become acts: takes a snapshot, plans, does what the plan says, and sleeps until something happens or
 * something is due.
 */
export class ScalingLoop {
  readonly fleetSlots: FleetSlots
  readonly watch: DecisionWatch
  readonly readyTimes: ReadyTimes = new ReadyTimes()
  readonly warmUps: WarmUps
  readonly #readinessChecker: ReadinessChecker
  lastPlan: ScalingPlan = { increase: [], drain: [], remove: [], reviewAt: Number.POSITIVE_INFINITY }
  schedule: Schedule
  readonly #timer: PassTimer
  readonly #options: ScalingLoopOptions
  readonly #stops: (() => void)[]
  readonly #listeners = new Set<() => void>()
  #syncedAt = Number.NEGATIVE_INFINITY
  #policy: { readonly schedule: Schedule; readonly minute: number; readonly policy: ResolvedPolicy } | undefined

  constructor(options: ScalingLoopOptions) {
    const { provisioner, allocator, clock, limits, demand } = options
    this.#options = options
    this.schedule = options.schedule
    this.watch = new DecisionWatch((decision) => options.observer.decided?.(decision))
    this.fleetSlots = new FleetSlots(
      limits,
      allocator,
      (host) => this.#readinessChecker.begin(host),
      (host) => this.warmUps.begin(host),
    )
    this.warmUps = new WarmUps({
      ...options,
      onEnd: (host) => {
        allocator.endHold(host, clock.now())
        this.wake()
      },
    })
    this.#readinessChecker = new ReadinessChecker({
      ...options,
      readyTimes: this.readyTimes,
      onAnswer: (host) => this.#answered(host),
    })
    this.#timer = new PassTimer(clock, options.logger, (now) => this.#pass(now))
    this.#stops = [
      provisioner.addBusyCheck((id) => (this.fleetSlots.get(id)?.inUse ?? 0) > 0),
      provisioner.onChange((changes) => {
        const now = clock.now()
        for (const { kind, instance } of changes) {
          if (kind === 'gone') this.fleetSlots.gone(instance.id)
          else this.fleetSlots.note(instance, now)
        }
        this.wake()
      }),
      ...demand.map((source) => source.onChange?.(() => this.wake()) ?? (() => {})),
    ]
  }

  /** The first pass, and the beginning of all that follows. */
  start(): void {
    this.#timer.run()
  }

  wake(): void {
    this.#timer.wake()
  }

  /** Calls `listener` after each pass. Returns how to stop. */
  onPass(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get passedAt(): number {
    return this.#timer.passedAt
  }

  /** The policy in force; looked up once a minute. */
  get policy(): ResolvedPolicy {
    const wallTime = this.#options.clock.wallTime()
    const minute = Math.floor(wallTime / minuteMs)
    if (this.#policy?.minute !== minute || this.#policy.schedule !== this.schedule) {
      this.#policy = { schedule: this.schedule, minute, policy: activePolicy(this.schedule, wallTime) }
    }
    return this.#policy.policy
  }

  snapshot(): ScalingSnapshot {
    return takeSnapshot({ ...this.#options, fleetSlots: this.fleetSlots })
  }

  /** What would be done now; does nothing. */
  plan(): ScalingPlan {
    return plan(this.snapshot(), this.policy, this.#options.clock.now())
  }

  /** The instances that are being made, the one begun first first. */
  coming(): ComingInstance[] {
    return comingInstances(this.fleetSlots.coming, this.#options.provisioner.launchState())
  }

  promiseDates(): PromiseDates {
    const { provisioner, promiseCapMs, clock } = this.#options
    const now = clock.now()
    const pipeline: Pipeline = {
      begunAt: this.coming().map(({ since }) => since),
      slotsPerInstance: this.#minSlots(),
      readyMs: this.readyTimes.estimateMs,
      launches: provisioner.launchState(),
      placements: provisioner.info.placements ?? [],
      capMs: promiseCapMs,
    }
    return (position) => promiseDate(position, pipeline, now)
  }

  /** Passes end, and with them every launch and removal; losses are still told until {@link close}. */
  stop(): void {
    this.#timer.stop()
    this.#readinessChecker.stop()
    this.warmUps.stop()
    for (const host of this.fleetSlots.hosts()) {
      host.giveUpCheck()
      host.giveUpWarmUp()
    }
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }

  /** Dates are estimates: with placements of several capacities, of the smallest. */
  #minSlots(): number {
    const { capacityPerInstance, maxUseCount, provisioner } = this.#options
    const { capacities, placements = [] } = provisioner.info
    const limits = { capacityPerInstance, maxUseCount, capacities }
    return Math.min(...[undefined, ...placements].map((placement) => slotsPerInstance(limits, placement)))
  }

  #answered(host: InstanceSlots): void {
    if (this.fleetSlots.get(host.id) === host) this.fleetSlots.judge(host, this.#options.clock.now())
    this.wake()
  }

  #pass(now: number): number {
    const { provisioner, allocator, clock, demand, onExpired } = this.#options
    if (now - this.#syncedAt >= heartbeatMs) {
      this.#syncedAt = now
      this.fleetSlots.sync(provisioner.instances(), now)
    }
    for (const reservation of allocator.redate(now)) onExpired(reservation)
    let snapshot = this.snapshot()
    if (allocator.setRoom(instanceRoom(snapshot))) snapshot = this.snapshot()
    const { policy, schedule } = this
    this.lastPlan = plan(snapshot, policy, now)
    const acted = this.#act(this.lastPlan, now)
    this.watch.passed({ launches: snapshot.launches, plan: this.lastPlan, policy, schedule }, clock.wallTime())
    const nextEnding = tellEndings(this.fleetSlots.condemned, now)
    for (const listener of this.#listeners) listener()
    const polled = demand.some((source) => source.onChange === undefined)
    return Math.min(
      acted ? now : this.lastPlan.reviewAt,
      allocator.firstExpiry,
      nextEnding,
      now + (polled ? pollMs : heartbeatMs),
      now + minuteMs - (clock.wallTime() % minuteMs),
    )
  }

  #act({ increase, remove }: ScalingPlan, now: number): boolean {
    const { provisioner, counters } = this.#options
    let acted = false
    for (const { placement, count, reason } of increase) {
      const requested = provisioner.request(count, { ...(placement !== undefined && { placement }), reason })
      counters.scale.up += requested
      if (requested === 0) continue
      acted = true
      this.#decided({ kind: 'increase', count: requested, ...(placement !== undefined && { placement }), reason })
    }
    for (const decision of remove) acted = this.#remove(decision, now) || acted
    return acted
  }

  /**
   * Cordons first. The provisioner then asks the busy check before it lets go: between the snapshot and now a job may
   * have come.
   */
  #remove({ id, reason }: InstanceDecision, now: number): boolean {
    const { provisioner, allocator, counters } = this.#options
    const host = this.fleetSlots.get(id)
    if (host === undefined || host.isLeaving) return false
    allocator.withdraw(host)
    const taken = provisioner.remove([id], reason).length > 0
    this.fleetSlots.note(provisioner.instances().get(id) ?? host.instance, now)
    if (!taken) return false
    counters.scale.down++
    this.#decided({ kind: 'remove', instance: id, reason })
    return true
  }

  #decided(decision: Omit<Decision, 'at'>): void {
    const { observer, clock } = this.#options
    observer.decided?.({ at: clock.wallTime(), ...decision })
  }
}
