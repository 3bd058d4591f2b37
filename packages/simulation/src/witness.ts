import { isUsable, outstandingCount, type Provisioner } from '@runner-core/fleeting/provisioner'
import {
  type Acquisition,
  idleTarget,
  type Reservation,
  type ResolvedPolicy,
  type Taskscaler,
} from '@runner-core/taskscaler'
import type { Breach } from './checker/index.ts'
import type { WorldHistory } from './world-history.ts'
import type { WorldProcess } from './world-process.ts'

/** Number of a promise of the design, 1 to 7. */
export type PromiseNumber = 1 | 2 | 3 | 4 | 5 | 6 | 7

/** What was broken: a promise of the design, or what the checker of histories found. */
export type Broken = PromiseNumber | Breach

type Violate = (promise: PromiseNumber, what: string) => void

export interface WitnessOptions {
  readonly process: WorldProcess
  readonly maxInstances: number
  readonly capacityPerInstance: number
  /** 0: no limit. */
  readonly maxUseCount: number
  readonly promiseCapMs: number
  /** How many projects are kept apart: a slot that is free may be none for who waits. */
  readonly projects?: number | undefined
  /** Whether writes of the state are under way that are late, or the next ones may fail. */
  readonly isStateTroubled: () => boolean
  /** By key, which instance an acquisition is of, from its hand-out to its end: also while no manager lives. */
  readonly leases: Map<string, string>
  readonly violate: Violate
  readonly note: (text: string) => void
  readonly history: WorldHistory
}

/** A promise whose date has passed is dated anew on the next pass, which comes at least this often. */
const latePromiseMs = 11_000
/** A loan that was made is kept, and heard of, within this time where the state is not late, milliseconds. */
const keepingMs = 1_000

/**
 * Stands beside one manager from its start to its death, and keeps books of its own: who reserved, who waits, who holds
 * which slot, what was asked for. What it sees through public methods is held against the promises as it happens, and
 * against the manager's own counts once all is quiet.
 */
export class Witness {
  readonly lent: Set<Acquisition> = new Set()
  /** Requests for a job that are under way. */
  requests = 0
  readonly #options: WitnessOptions
  readonly #kept = new Map<string, number>()
  readonly #open = new Set<Reservation>()
  /** In order of asking. */
  /** `mayBeLate`: a slot may have been given to somebody before it came, who hears of it once the state is written. */
  #waiting: { readonly reservation: Reservation; readonly priority: number; readonly mayBeLate: boolean }[] = []
  #provisioner: Provisioner | undefined
  #scaler: Taskscaler | undefined
  /** How much was wanted when idle instances were removed last, until something happens for which more may be made. */
  #shrank: { readonly load: number; readonly policy: ResolvedPolicy } | undefined

  constructor(options: WitnessOptions) {
    this.#options = options
  }

  get scaler(): Taskscaler | undefined {
    return this.#scaler
  }

  /** Whether nobody has a slot, nor waits for one. */
  get isIdle(): boolean {
    return this.lent.size === 0 && this.#waiting.length === 0
  }

  get provisioner(): Provisioner | undefined {
    return this.#provisioner
  }

  /** Somebody who embeds the library needs an instance for a while, whatever runs on it. */
  keep(id: string, forMs: number): void {
    const stop = this.#provisioner?.addBusyCheck((instanceId) => instanceId === id)
    if (stop === undefined) return
    this.#kept.set(id, (this.#kept.get(id) ?? 0) + 1)
    this.#options.process.clock.after(forMs, () => {
      stop()
      this.#kept.set(id, this.#kept.get(id)! - 1)
    })
  }

  isKept(id: string): boolean {
    return (this.#kept.get(id) ?? 0) > 0
  }

  watchProvisioner(provisioner: Provisioner): void {
    this.#provisioner = provisioner
    const { maxInstances, violate, note } = this.#options
    const request = provisioner.request.bind(provisioner)
    provisioner.request = (count, options) => {
      const before = provisioner.launchState()
      const load = this.#load()
      const taken = request(count, options)
      if (taken === 0 || !this.#isAlive) return taken
      note(`${taken} asked for: ${options.reason}`)
      const total = before.known + outstandingCount(before) + taken
      if (total > maxInstances)
        violate(
          2,
          `${before.known} known, ${outstandingCount(before)} outstanding and ${taken} asked for: the maximum is ${maxInstances}`,
        )
      this.#mayGrow(load, options.reason)
      return taken
    }
    const remove = provisioner.remove.bind(provisioner)
    provisioner.remove = (ids, reason) => {
      const load = this.#load()
      const taken = remove(ids, reason)
      if (taken.length === 0 || !this.#isAlive) return taken
      note(`${taken.join(', ')} to be removed: ${reason}`)
      const policy = this.#scaler?.status().policy
      this.#shrank =
        reason.startsWith('idle for') && load !== undefined && policy !== undefined ? { load, policy } : undefined
      return taken
    }
    provisioner.onChange((changes) => {
      for (const change of changes) {
        const { kind, instance } = change
        const isIdleRemoval = instance.removal?.reason.startsWith('idle for') ?? false
        const isLoss = kind === 'gone' || (kind === 'updated' && isUsable(change.before) && !isUsable(instance))
        if (isLoss && !isIdleRemoval) this.#shrank = undefined
      }
    })
  }

  watchScaler(scaler: Taskscaler): void {
    this.#scaler = scaler
    const { note } = this.#options
    scaler.onChange(() => {
      if (scaler.status().policy !== this.#shrank?.policy) this.#shrank = undefined
    })
    const reserve = scaler.reserve.bind(scaler)
    scaler.reserve = (options) => {
      const reservation = reserve(options)
      this.#open.add(reservation)
      return reservation
    }
    const unreserve = scaler.unreserve.bind(scaler)
    scaler.unreserve = (reservation) => {
      unreserve(reservation)
      this.#open.delete(reservation)
    }
    const acquire = scaler.acquire.bind(scaler)
    scaler.acquire = async (reservation, options) => {
      this.#open.delete(reservation)
      const { priority } = reservation
      this.#waiting.push({ reservation, priority, mayBeLate: this.#options.isStateTroubled() })
      try {
        const acquisition = await acquire(reservation, options)
        this.#granted(reservation, acquisition)
        return acquisition
      } finally {
        this.#waiting = this.#waiting.filter((other) => other.reservation !== reservation)
      }
    }
    const release = scaler.release.bind(scaler)
    scaler.release = (acquisition) => {
      const condemned = scaler.snapshot().supply.condemned.some(({ id }) => id === acquisition.instanceId)
      const instance = this.#provisioner?.instances().get(acquisition.instanceId)
      // What it leaves is no capacity.
      if (condemned || instance === undefined || !isUsable(instance)) this.#shrank = undefined
      this.#ended(acquisition)
      release(acquisition)
    }
    const claim = scaler.claimRestored.bind(scaler)
    scaler.claimRestored = (key) => {
      const acquisition = claim(key)
      if (acquisition === undefined) return undefined
      note(`${key} goes on with slot ${acquisition.slot} of ${acquisition.instanceId}`)
      this.#holds(acquisition)
      return acquisition
    }
  }

  /** A request for a job is about to be sent. */
  asks(): void {
    this.requests += 1
    if (this.#isAlive && this.requests > this.#open.size)
      this.#options.violate(
        4,
        `${this.requests} requests for jobs under way, with ${this.#open.size} promises of capacity`,
      )
  }

  answered(): void {
    this.requests -= 1
  }

  /** A job without a slot was told why. */
  waits(job: string, text: string): void {
    if (this.#isAlive) this.#options.history.tell({ kind: 'wait_told', job, by: this.#options.process.name, text })
  }

  /** A job came; this promise is for it. */
  took(job: string, { kind, readyAt }: Reservation): void {
    if (!this.#isAlive) return
    const { violate, promiseCapMs, process } = this.#options
    const now = process.clock.now()
    if (kind === 'promised' && readyAt > now + promiseCapMs)
      violate(4, `${job} was taken for a slot in ${readyAt - now} ms, beyond the cap`)
    // One that stood still dates its promises anew with its next pass.
    if (kind === 'promised' && readyAt < now - latePromiseMs && now - process.thawedAt > latePromiseMs)
      violate(4, `${job} was taken on a promise that expired ${now - readyAt} ms ago`)
  }

  /** Held against the manager's own books, when nothing is under way within it. */
  check(): void {
    if (!this.#isAlive || this.#scaler === undefined || this.#provisioner === undefined) return
    const { violate, projects, process } = this.#options
    const { pending, acquired, reserved, idle } = this.#scaler.status().tasks
    // A slot that is there is handed out once that is kept.
    const unkept = Math.max(0, acquired - this.lent.size)
    const counts = `waiting ${pending + unkept}, lent ${acquired - unkept}, reserved ${reserved}`
    const own = `waiting ${this.#waiting.length}, lent ${this.lent.size}, reserved ${this.#open.size}`
    if (counts !== own) violate(7, `the scaler counts ${counts}, and there are ${own}`)
    if (pending > 0 && idle > 0 && projects === undefined) violate(7, `${pending} wait while ${idle} slots are free`)
    const { outstanding, closed } = this.#provisioner.launchState()
    for (const { launchToken, phase, deadlineAt = Number.POSITIVE_INFINITY, requestedAt } of outstanding) {
      if (closed) break
      if (phase !== 'sent' && this.#provisioner.listedAt > deadlineAt)
        violate(5, `launch ${launchToken} counts ${this.#provisioner.listedAt - deadlineAt} ms after its deadline`)
      if ((phase === 'accepted' || phase === 'uncertain') && deadlineAt === Number.POSITIVE_INFINITY)
        violate(5, `launch ${launchToken} has no deadline`)
      if (phase === 'sent' && process.clock.now() - requestedAt > longestCallMs)
        violate(5, `launch ${launchToken} has been under way for ${process.clock.now() - requestedAt} ms`)
    }
  }

  get #isAlive(): boolean {
    return this.#options.process.isAlive
  }

  #granted(reservation: Reservation, acquisition: Acquisition): void {
    if (!this.#isAlive) return
    const { violate, capacityPerInstance, maxUseCount, projects, note, process, isStateTroubled } = this.#options
    const { instanceId, slot, useCount } = acquisition
    note(`slot ${slot} of ${instanceId} lent to ${reservation.key}`)
    const first = this.#waiting.reduce((best, other) => (other.priority > best.priority ? other : best))
    // Those who are served at one moment may hear of it in any order: each when its loan is kept.
    const mayBeLate = first.mayBeLate || isStateTroubled()
    if (first.reservation !== reservation && !mayBeLate && projects === undefined)
      process.clock.after(keepingMs, () => {
        if (this.#waiting.some((other) => other.reservation === first.reservation))
          violate(7, `${reservation.key} was served before ${first.reservation.key}`)
      })
    for (const other of this.lent)
      if (other.instanceId === instanceId && other.slot === slot)
        violate(7, `slot ${slot} of ${instanceId} was lent to ${other.key} and ${acquisition.key}`)
    if (slot < 0 || slot >= capacityPerInstance)
      violate(7, `slot ${slot} of ${instanceId} is none of ${capacityPerInstance}`)
    if (maxUseCount > 0 && useCount > maxUseCount)
      violate(7, `${instanceId} is used for the ${useCount}th time, the limit is ${maxUseCount}`)
    if (maxUseCount > 0) this.#shrank = undefined
    this.#holds(acquisition)
  }

  #holds(acquisition: Acquisition): void {
    const { key, instanceId, signal } = acquisition
    this.lent.add(acquisition)
    this.#options.leases.set(key, instanceId)
    if (signal.aborted) this.#ended(acquisition)
    signal.addEventListener('abort', () => this.#ended(acquisition), { once: true })
  }

  #ended(acquisition: Acquisition): void {
    this.lent.delete(acquisition)
    if (this.#isAlive) this.#options.leases.delete(acquisition.key)
  }

  /** Slots that jobs have, and those that are wanted. */
  #load(): number | undefined {
    if (this.#scaler === undefined) return undefined
    const { demand } = this.#scaler.snapshot()
    const queued = demand.queued.reduce((sum, { depth }) => sum + depth, 0)
    return (
      demand.acquired +
      demand.waiting +
      demand.reserved +
      queued +
      idleTarget(this.#scaler.status().policy, demand.acquired)
    )
  }

  #mayGrow(load: number | undefined, reason: string): void {
    if (this.#shrank === undefined || load === undefined || load > this.#shrank.load) return
    // What went may have been none for the job that came.
    if (this.#options.projects !== undefined) return
    if (this.#shrank.policy !== this.#scaler?.status().policy || this.#scaler.snapshot().supply.condemned.length > 0)
      return
    this.#options.violate(3, `grew after it shrank, with no more wanted than then (${load}): ${reason}`)
  }
}

/** The longest that one call of a launch may take: writing the intent, waiting for a throttle, and the call itself. */
const longestCallMs = 600_000
