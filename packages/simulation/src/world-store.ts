import type { Clock } from '@runner-core/fleeting'
import {
  type FleetLease,
  MemoryStateStore,
  type StateChange,
  StateError,
  type StateErrorCode,
  type StateRecord,
  type StateStore,
} from '@runner-core/fleeting/state'
import type { WorldProcess } from './world-process.ts'

/** What becomes of a write. */
export type WriteFault =
  /** It is refused, and nothing is kept. */
  | { readonly refused: StateErrorCode | 'unknown' }
  /** It is kept, and said to have failed. */
  | 'answer lost'
  /** It is kept so much later. */
  | { readonly lateMs: number }

/** Who has a fleet's lease: a process, and how it is asked for it. */
interface Owner {
  readonly process: WorldProcess
  readonly wanted: AbortController
  readonly released: Promise<void>
  isReleased: boolean
}

/** What need not survive the loss of power is on the disk with the owner's next beat, as in `FleetDatabase.beat`. */
const beatMs = 1000

/** How long one that was asked for its fleet has to hand it over. */
const handOverMs = 20_000

/** A disk: outlives every process, and shows a bystander what is on it. */
export class WorldStore {
  /** By `kind key`, what is written now. */
  readonly records: Map<string, StateRecord> = new Map()
  /** Told what comes to the disk. */
  onWritten: (place: string, text: string) => void = () => {}
  /** Loads that fail from now on. */
  loadsFail = 0
  /** Longer writes are refused. */
  maxCharacters: number = Number.POSITIVE_INFINITY
  /** What the disk would not have after a loss of power, in order, and what was there before. */
  #unsynced: { readonly at: number; readonly place: string; readonly before: StateRecord | undefined }[] = []
  /** How often the computer lost its power. */
  #powerCuts = 0
  /** Whether a store still has what was lost. */
  #isBehind = false
  /** When the owner began its beats, each of which has the disk keep what was written. */
  #leasedAt = 0
  readonly #faults: { readonly fault: WriteFault; left: number }[] = []
  readonly #clock: Clock
  readonly #open: (process: WorldProcess) => StateStore
  #owner: Owner | undefined
  /** The last of the writes that are late, or wait behind one. */
  #late: Promise<void> | undefined

  /** `open` gives each process its store; by default they share one in memory. */
  constructor(clock: Clock, open?: (process: WorldProcess) => StateStore) {
    this.#clock = clock
    const shared = new MemoryStateStore()
    this.#open = open ?? (() => shared)
  }

  /** Whether writes are under way that are late. */
  get isLate(): boolean {
    return this.#late !== undefined
  }

  /** Whether writes are late, or the next ones may fail. */
  get isTroubled(): boolean {
    return this.isLate || this.#faults.length > 0 || this.maxCharacters < Number.POSITIVE_INFINITY
  }

  has(kind: StateRecord['kind'], key: string): boolean {
    return this.records.has(`${kind} ${key}`)
  }

  /** The next `times` writes meet it. */
  fail(fault: WriteFault, times: number): void {
    this.#faults.push({ fault, left: times })
  }

  heal(): void {
    this.#faults.length = 0
    this.loadsFail = 0
    this.maxCharacters = Number.POSITIVE_INFINITY
  }

  /**
   * What was not synced is gone, and what is under way is not written. Answers which records are older or younger
   * than before.
   */
  losePower(): readonly string[] {
    this.#powerCuts += 1
    this.#isBehind = true
    this.#syncBeats()
    const lost = this.#unsynced.splice(0)
    for (const { place, before } of lost.toReversed()) {
      if (before === undefined) this.records.delete(place)
      else this.records.set(place, before)
    }
    return [...new Set(lost.map(({ place }) => place))]
  }

  /** The disk as a process has it open. A process that lives is asked for its fleet first. */
  openedBy(process: WorldProcess): StateStore {
    const store = this.#open(process)
    return {
      lease: (fleet, options) =>
        process.effect('store', 'lease', async () => {
          await this.#ask()
          const lease = await store.lease(fleet, { ...options, takeover: true })
          if (this.#isBehind) await this.#lose(lease)
          // To take the fleet is written through to the disk, with all that was written before.
          this.#unsynced = []
          this.#leasedAt = this.#clock.now()
          return this.#leaseOf(lease, process)
        }),
      close: async () => {},
    }
  }

  /** The store forgets what the disk has lost. */
  async #lose(lease: FleetLease): Promise<void> {
    this.#isBehind = false
    const there = await lease.load()
    const tooMuch = there
      .filter(({ kind, key }) => !this.has(kind, key))
      .map(({ kind, key }) => ({ kind, key, value: null }))
    await lease.write([...tooMuch, ...this.records.values()])
  }

  /** What was written before the owner's last beat is on the disk. */
  #syncBeats(): void {
    const now = this.#clock.now()
    const beatAt = now - ((now - this.#leasedAt) % beatMs)
    this.#unsynced = this.#unsynced.filter(({ at }) => at >= beatAt)
  }

  async #ask(): Promise<void> {
    const owner = this.#owner
    if (owner === undefined || owner.isReleased || !owner.process.isAlive) return
    owner.process.deliver(() => owner.wanted.abort(new Error('another process asks for the fleet')))
    await new Promise<void>((resolve) => {
      void owner.released.then(resolve)
      this.#clock.after(handOverMs, resolve)
    })
  }

  #leaseOf(lease: FleetLease, process: WorldProcess): FleetLease {
    let release = (): void => {}
    const owner: Owner = {
      process,
      wanted: new AbortController(),
      released: new Promise((resolve) => {
        release = resolve
      }),
      isReleased: false,
    }
    this.#owner = owner
    const lost = new AbortController()
    // One that stands still learns it late.
    const lose = (): void => process.deliver(() => lost.abort(lease.lost.reason))
    if (lease.lost.aborted) lose()
    else lease.lost.addEventListener('abort', lose, { once: true })
    return {
      fleet: lease.fleet,
      epoch: lease.epoch,
      lost: lost.signal,
      wanted: owner.wanted.signal,
      freeze: () => lease.freeze(),
      load: (kinds) => process.effect('store', 'load', () => this.#load(lease, kinds)),
      write: (changes) =>
        process.effect('store', `write ${changes.map(describe).join(', ')}`, () => this.#write(lease, changes)),
      release: () =>
        process.effect('store', 'release', async () => {
          await lease.release()
          owner.isReleased = true
          release()
        }),
    }
  }

  #waitInLine(ms: number): Promise<void> {
    const before = this.#late ?? Promise.resolve()
    const turn = before.then(() =>
      ms === 0 ? undefined : new Promise<void>((resolve) => this.#clock.after(ms, resolve)),
    )
    this.#late = turn
    void turn.then(() => {
      if (this.#late === turn) this.#late = undefined
    })
    return turn
  }

  async #load(lease: FleetLease, kinds: Parameters<FleetLease['load']>[0]): Promise<readonly StateRecord[]> {
    if (this.loadsFail > 0) {
      this.loadsFail -= 1
      throw new StateError('unavailable', 'the disk cannot be read')
    }
    return await lease.load(kinds)
  }

  async #write(lease: FleetLease, changes: readonly StateChange[]): Promise<void> {
    if (this.maxCharacters < Number.POSITIVE_INFINITY && JSON.stringify(changes).length > this.maxCharacters)
      throw new StateError('unavailable', 'string or blob too big')
    const powerCuts = this.#powerCuts
    const first = this.#faults[0]
    const fault = first?.fault
    if (first !== undefined) {
      first.left -= 1
      if (first.left <= 0) this.#faults.shift()
    }
    if (typeof fault === 'object' && 'refused' in fault)
      throw fault.refused === 'unknown'
        ? new Error('the disk is full')
        : new StateError(fault.refused, `a fault of kind ${fault.refused}`)
    // Whatever is late, writes are made in their order.
    if (typeof fault === 'object' || this.#late !== undefined)
      await this.#waitInLine(typeof fault === 'object' ? fault.lateMs : 0)
    if (powerCuts < this.#powerCuts) return
    for (const { kind, key, value } of changes)
      if (value !== null) this.onWritten(`${kind} ${key}`, JSON.stringify(value))
    await lease.write(changes)
    if (powerCuts < this.#powerCuts) return
    this.#syncBeats()
    const at = this.#clock.now()
    for (const { kind, key, value } of changes) {
      this.#unsynced.push({ at, place: `${kind} ${key}`, before: this.records.get(`${kind} ${key}`) })
      if (value === null) this.records.delete(`${kind} ${key}`)
      else this.records.set(`${kind} ${key}`, { kind, key, value })
    }
    if (changes.some(({ survives }) => survives === 'power')) this.#unsynced = []
    if (fault === 'answer lost') throw new StateError('unavailable', 'the answer of the disk was lost')
  }
}

function describe({ kind, key, value }: StateChange): string {
  return `${value === null ? 'end of ' : ''}${kind} ${key}`
}
