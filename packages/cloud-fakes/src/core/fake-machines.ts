import type { Clock } from '@runner-core/fleeting'
import type { RealMachines } from './real-machines.ts'

/** How long changes take, milliseconds. Default of each: 0. */
export interface Lags {
  /** From accepted to shown. */
  readonly appearMs?: number
  /** From one machine that is shown to the next, of those that were accepted at one moment. */
  readonly staggerMs?: number
  /** From shown to running. */
  readonly bootMs?: number
  /** From the delete to gone. */
  readonly deleteMs?: number
}

export type MachinePhase = 'pending' | 'creating' | 'running' | 'failed' | 'deleting' | 'gone'

/** One machine of a fake cloud. Its phase at any moment follows from these times, so nothing has to tick. */
export interface FakeMachine {
  readonly id: string
  /** Where it answers. */
  readonly address: string
  readonly acceptedAt: number
  readonly appearsAt: number
  /** `Infinity`: not known to come up. */
  runningAt: number
  deletingAt: number
  goneAt: number
  /** Why it will never run: from when it would have been running. */
  failure: string | undefined
  /** A state word set by hand, shown until it is deleted. */
  word: string | undefined
}

export interface FakeMachinesOptions {
  readonly clock: Clock
  readonly lags?: Lags
  readonly real?: RealMachines | undefined
  readonly rememberMs?: number
}

/**
 * The machines of a fake group: launched and deleted with time lags, real ones behind them if wanted. The cloud's words
 * and rules are elsewhere.
 */
export class FakeMachines {
  readonly #clock: Clock
  readonly #lags: Lags
  readonly #real: RealMachines | undefined
  readonly #rememberMs: number
  readonly #machines = new Map<string, FakeMachine>()
  #number = 0
  /** When the last one was accepted, and how many before it at that moment. */
  #last = { acceptedAt: Number.NEGATIVE_INFINITY, before: 0 }

  /** `rememberMs`: for so long machines that are gone are known, for lists that are late. Default 0. */
  constructor({ clock, lags = {}, real, rememberMs = 0 }: FakeMachinesOptions) {
    this.#clock = clock
    this.#rememberMs = rememberMs
    this.#lags = lags
    this.#real = real
  }

  /** A machine under way, `lateMs` later than others. With `failure` it never runs. */
  launch(id: string, failure?: string, lateMs = 0): FakeMachine {
    const { appearMs = 0, staggerMs = 0, bootMs = 0 } = this.#lags
    const now = this.#clock.now()
    this.#number += 1
    this.#last = { acceptedAt: now, before: this.#last.acceptedAt === now ? this.#last.before + 1 : 0 }
    const appearsAt = now + appearMs + this.#last.before * staggerMs + lateMs
    const machine: FakeMachine = {
      id,
      address: this.#real?.newAddress() ?? `127.66.${Math.floor(this.#number / 250) % 250}.${(this.#number % 250) + 1}`,
      acceptedAt: now,
      appearsAt,
      runningAt: this.#real === undefined || failure !== undefined ? appearsAt + bootMs : Number.POSITIVE_INFINITY,
      deletingAt: Number.POSITIVE_INFINITY,
      goneAt: Number.POSITIVE_INFINITY,
      failure,
      word: undefined,
    }
    this.#machines.set(id, machine)
    if (failure === undefined) void this.#boot(machine)
    return machine
  }

  /** Begins the end of a machine. False: there is none of that id, or it is on its way out. */
  delete(id: string): boolean {
    const machine = this.#machines.get(id)
    const now = this.#clock.now()
    if (machine === undefined || machine.deletingAt <= now) return false
    machine.deletingAt = now
    machine.goneAt = now + (this.#lags.deleteMs ?? 0)
    machine.word = undefined
    void this.#real?.stop(id)
    return true
  }

  /** Gone at once, without a word. */
  kill(id: string): boolean {
    const machine = this.#machines.get(id)
    if (machine === undefined || machine.goneAt <= this.#clock.now()) return false
    machine.goneAt = this.#clock.now()
    void this.#real?.stop(id)
    return true
  }

  /** At this moment, or as it was at another. */
  phase(machine: FakeMachine, now: number = this.#clock.now()): MachinePhase {
    if (now >= machine.goneAt) return 'gone'
    if (now >= machine.deletingAt) return 'deleting'
    if (now < machine.appearsAt) return 'pending'
    if (now < machine.runningAt) return 'creating'
    return machine.failure === undefined ? 'running' : 'failed'
  }

  /** Undefined when there is none, or it is gone. */
  get(id: string): FakeMachine | undefined {
    const machine = this.#machines.get(id)
    return machine === undefined || this.phase(machine) === 'gone' ? undefined : machine
  }

  /** All that are not gone, the oldest first; those not yet shown too. */
  all(): readonly FakeMachine[] {
    return this.#known().filter((machine) => this.phase(machine) !== 'gone')
  }

  /** Those that were shown at that moment, no longer ago than machines are remembered. */
  shownAt(at: number): readonly FakeMachine[] {
    return this.#known().filter((machine) => !['pending', 'gone'].includes(this.phase(machine, at)))
  }

  #known(): readonly FakeMachine[] {
    const from = this.#clock.now() - this.#rememberMs
    for (const machine of this.#machines.values())
      if (this.phase(machine, from) === 'gone') this.#machines.delete(machine.id)
    return [...this.#machines.values()]
  }

  async #boot(machine: FakeMachine): Promise<void> {
    if (this.#real === undefined) return
    try {
      await this.#real.start(machine.id, machine.address)
      machine.runningAt = this.#clock.now()
      if (machine.deletingAt < Number.POSITIVE_INFINITY || machine.goneAt < Number.POSITIVE_INFINITY)
        await this.#real.stop(machine.id)
    } catch (error) {
      machine.runningAt = this.#clock.now()
      machine.failure = `the real machine did not start: ${(error as Error).message}`
    }
  }
}
