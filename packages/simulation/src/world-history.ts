import type { Clock, InstanceState } from '@runner-core/fleeting'
import { type Finding, HistoryChecker, type HistoryRecord, type TroubleKind } from './checker/index.ts'
import type { WorldCloud } from './world-cloud.ts'

/** A record without its time, which is now. */
export type Event = HistoryRecord extends infer Each ? (Each extends HistoryRecord ? Omit<Each, 'at'> : never) : never

type Life = 'exists' | 'lives' | 'dead'

/** What of a machine or a job a trouble touched; neither: everything. */
type Touched = { readonly machine?: string; readonly job?: string }

/**
 * Tells the checker what happened in a world, in its own words: what the cloud, the coordinator and the machines did,
 * and what troubles they had.
 */
export class WorldHistory {
  readonly #checker = new HistoryChecker()
  readonly #clock: Clock
  readonly #cloud: WorldCloud
  readonly #machines = new Map<string, Life>()
  #told = 0

  constructor(clock: Clock, cloud: WorldCloud) {
    this.#clock = clock
    this.#cloud = cloud
  }

  tell(event: Event): void {
    this.#lookAtMachines()
    this.#record(event)
  }

  /** Something was written, where whoever may not know a secret can read it. */
  recorded(where: string, text: string): void {
    this.#record({ kind: 'recorded', where, text })
  }

  trouble(what: TroubleKind, touched: Touched = {}): void {
    this.tell({ kind: 'trouble', what, state: 'happens', ...touched })
  }

  begins(what: TroubleKind, touched: Touched = {}): void {
    this.tell({ kind: 'trouble', what, state: 'begins', ...touched })
  }

  ends(what: TroubleKind, touched: Touched = {}): void {
    this.tell({ kind: 'trouble', what, state: 'ends', ...touched })
  }

  /** What was found since the last call. */
  findings(): readonly Finding[] {
    this.#lookAtMachines()
    const { findings } = this.#checker
    const fresh = findings.slice(this.#told)
    this.#told = findings.length
    return fresh
  }

  #record(event: Event): void {
    this.#checker.record({ ...event, at: this.#clock.now() } as HistoryRecord)
  }

  /** Machines change by themselves, with time: what they are now is held against what was told of them last. */
  #lookAtMachines(): void {
    this.#cloud.account()
    const there = new Set(this.#cloud.ids)
    for (const machine of this.#machines.keys()) {
      if (there.has(machine)) continue
      this.#machines.delete(machine)
      this.#record({ kind: 'machine', machine, state: 'gone' })
    }
    for (const machine of there) {
      const before = this.#machines.get(machine)
      const state = lifeOf(this.#cloud.lives(machine), this.#cloud.stateOf(machine), before)
      if (state === before) continue
      const token = this.#cloud.launches.get(machine)
      const origin = this.#cloud.unaccountable.has(machine) ? 'strange' : 'asked'
      if (before === undefined && state !== 'exists')
        this.#record({ kind: 'machine', machine, state: 'exists', origin, ...(token !== undefined && { token }) })
      this.#machines.set(machine, state)
      this.#record({ kind: 'machine', machine, state, origin, ...(token !== undefined && { token }) })
    }
  }
}

/** What the cloud says of its state is believed only where the machine does not run. */
function lifeOf(lives: boolean, state: InstanceState | undefined, before: Life | undefined): Life {
  if (before !== 'dead' && lives) return 'lives'
  if (before === 'dead' || state === 'failed' || state === 'deleting') return 'dead'
  return before === 'lives' ? 'dead' : 'exists'
}
