import type { CancelTimer, Clock } from '../contract/clock.ts'
import { loggedSeconds } from '../contract/logged-seconds.ts'
import type { Logger } from '../contract/logger.ts'
import { untilAbort } from '../contract/until-abort.ts'
import { FencedError, type FleetLease, type StateChange, StateError, type StateRecord } from './state-store.ts'

/** Why nothing can be kept now. */
export interface JournalTrouble {
  /** `Clock.now()` of the first write that failed. */
  readonly since: number
  /** Of the last one: as a rule a {@link StateError}, for good a {@link FencedError}. */
  readonly error: Error
}

export interface KeepOptions {
  /** Ends the wait: {@link Journal.keep} rejects with its reason. What was written by then may be kept all the same. */
  readonly signal?: AbortSignal | undefined
  /** Called when the wait begins, if there is one. Must not throw. */
  readonly onWait?: ((trouble: JournalTrouble) => void) | undefined
}

export interface JournalOptions {
  readonly lease: FleetLease
  readonly clock: Clock
  readonly logger: Logger
}

interface Fact {
  readonly change: StateChange
  /** Its place among facts and waits. */
  readonly number: number
  isOnItsWay: boolean
  /** Writes under way that would replace it. */
  replacing: number
}

interface Waiting {
  readonly number: number
  readonly changes: () => readonly StateChange[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** From one write that probes whether state can be written again to the next. */
const probeMs = 5_000
/** Room that a disk which was full must have at least before anything is begun again: a job's payload needs as much. */
const minRoomBytes = 64 * 1024
const maxRoomBytes = 1024 * 1024
const probePlace = { kind: 'fleet', key: 'written again' } as const

/**
 * A lease that knows whether anything can be kept: the one health of state that every act looks at which state must
 * precede. While a write fails, one probe is tried every few seconds, as large as what failed; facts and whatever waits
 * in {@link Journal.keep} are kept as soon as it succeeds, in their order.
 */
export class Journal implements FleetLease {
  readonly #lease: FleetLease
  readonly #clock: Clock
  readonly #logger: Logger
  /** By kind and key, in order, what is not known to be kept yet. */
  readonly #facts = new Map<string, Fact>()
  readonly #waiting = new Set<Waiting>()
  readonly #listeners = new Set<() => void>()
  #trouble: JournalTrouble | undefined
  #roomBytes = 0
  #lastNumber = 0
  #fenced: FencedError | undefined
  #isRecovering = false
  #isFrozen = false
  #cancelProbe: CancelTimer = () => {}

  /** The journal over a lease; a lease that is one already is the one that all its users share. */
  static over({ lease, clock, logger }: JournalOptions): Journal {
    return lease instanceof Journal ? lease : new Journal({ lease, clock, logger })
  }

  private constructor({ lease, clock, logger }: JournalOptions) {
    this.#lease = lease
    this.#clock = clock
    this.#logger = logger
    const { lost } = lease
    const onLost = (): void => this.#end(lost.reason as FencedError)
    if (lost.aborted) onLost()
    else lost.addEventListener('abort', onLost, { once: true })
  }

  get fleet(): string {
    return this.#lease.fleet
  }

  get epoch(): number {
    return this.#lease.epoch
  }

  get lost(): AbortSignal {
    return this.#lease.lost
  }

  get wanted(): AbortSignal {
    return this.#lease.wanted
  }

  /** Undefined: state can be written, as far as is known. */
  get trouble(): JournalTrouble | undefined {
    return this.#trouble
  }

  /** Calls back when {@link trouble} begins or ends. Must not throw. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What was noted is among it. */
  async load(kinds?: readonly string[]): Promise<readonly StateRecord[]> {
    await this.#flush()
    return this.#lease.load(kinds)
  }

  /** Tried once, also while others fail. What was noted at the same places before is replaced. */
  async write(changes: readonly StateChange[]): Promise<void> {
    const replaced = changes.flatMap(({ kind, key }): (readonly [string, Fact])[] => {
      const place = placeOf(kind, key)
      const fact = this.#facts.get(place)
      return fact === undefined ? [] : [[place, fact]]
    })
    for (const [, fact] of replaced) fact.replacing += 1
    try {
      await this.#attempt(changes)
      this.#forget(replaced)
    } finally {
      for (const [, fact] of replaced) fact.replacing -= 1
    }
    if (changes.length > 0) void this.#recover()
  }

  /**
   * Writes until it is kept, each time what `changes` answers then: what is true by then, whatever was noted meanwhile.
   * Rejects with {@link FencedError}, with the signal's reason, and with what `changes` throws.
   */
  async keep(changes: () => readonly StateChange[], { signal, onWait }: KeepOptions = {}): Promise<void> {
    const number = ++this.#lastNumber
    for (;;) {
      signal?.throwIfAborted()
      if (this.#fenced !== undefined) throw this.#fenced
      if (this.#trouble !== undefined) break
      const next = changes()
      try {
        const kept = this.write(next)
        return await (signal === undefined ? kept : untilAbort(kept, signal))
      } catch (error) {
        if (signal?.aborted || isFenced(error)) throw error
      }
    }
    onWait?.(this.#trouble)
    await this.#wait(number, changes, signal)
  }

  /**
   * Keeps facts, those of one call together. Not waited for: what cannot be kept now is kept, in order and only its
   * last value, once state can be written again.
   */
  note(...changes: readonly StateChange[]): void {
    if (this.#fenced !== undefined) return
    const facts = changes.map((change): readonly [string, Fact] => {
      const place = placeOf(change.kind, change.key)
      const fact = { change, number: ++this.#lastNumber, isOnItsWay: false, replacing: 0 }
      this.#facts.delete(place)
      this.#facts.set(place, fact)
      return [place, fact]
    })
    if (this.#trouble === undefined) void this.#send(facts)
  }

  /**
   * Resolves once everything that was noted before is kept, however long that takes. Rejects with {@link FencedError}.
   */
  async settled(): Promise<void> {
    const number = this.#lastNumber
    while ([...this.#facts.values()].some((fact) => fact.number <= number)) await this.keep(() => [])
    if (this.#fenced !== undefined) throw this.#fenced
  }

  /** What was noted before is kept, if it can be now; nothing that waits is answered any more. */
  freeze(): void {
    void this.#flush()
    this.#isFrozen = true
    this.#cancelProbe()
    this.#lease.freeze()
  }

  async release(): Promise<void> {
    await this.#flush()
    await this.#lease.release()
    this.#close(new FencedError(this.fleet, this.epoch))
  }

  /** Never rejects. */
  #flush(): Promise<void> {
    return this.#send(this.#pending().filter(([, { isOnItsWay }]) => !isOnItsWay))
  }

  /** Never rejects: what is not kept now is kept later. */
  async #send(facts: readonly (readonly [string, Fact])[]): Promise<void> {
    if (facts.length === 0 || this.#isFrozen || this.#fenced !== undefined) return
    for (const [, fact] of facts) fact.isOnItsWay = true
    try {
      await this.#attempt(facts.map(([, { change }]) => change))
      this.#forget(facts)
    } catch {
      for (const [, fact] of facts) fact.isOnItsWay = false
    }
  }

  #pending(): (readonly [string, Fact])[] {
    return [...this.#facts].filter(([, { replacing }]) => replacing === 0)
  }

  #forget(facts: readonly (readonly [string, Fact])[]): void {
    for (const [place, fact] of facts) if (this.#facts.get(place) === fact) this.#facts.delete(place)
  }

  async #attempt(changes: readonly StateChange[]): Promise<void> {
    try {
      await this.#lease.write(changes)
    } catch (error) {
      this.#failed(error as Error, changes)
      throw error
    }
  }

  #wait(number: number, changes: () => readonly StateChange[], signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.#waiting.delete(waiting)
        signal?.removeEventListener('abort', onAbort)
        act()
      }
      const waiting: Waiting = {
        number,
        changes,
        resolve: () => settle(resolve),
        reject: (error) => settle(() => reject(error)),
      }
      const onAbort = (): void => waiting.reject(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiting)
    })
  }

  #failed(error: Error, changes: readonly StateChange[]): void {
    if (isFenced(error)) this.#end(error)
    if (this.#fenced !== undefined) return
    const isFull = error instanceof StateError && error.code === 'disk_full'
    if (isFull)
      this.#roomBytes = Math.min(Math.max(this.#roomBytes, minRoomBytes, JSON.stringify(changes).length), maxRoomBytes)
    const isNew = this.#trouble === undefined
    this.#trouble = { since: this.#trouble?.since ?? this.#clock.now(), error }
    if (!isNew) return
    this.#logger.error({ err: error }, 'state cannot be written, no job is taken until it can')
    this.#probeLater()
    this.#changed()
  }

  #probeLater(): void {
    this.#cancelProbe()
    if (!this.#isFrozen) this.#cancelProbe = this.#clock.after(probeMs, () => void this.#recover())
  }

  /**
   * Keeps what waits, if state can be written again. Writes something: to read would work on a full disk too. Never
   * rejects.
   */
  async #recover(): Promise<void> {
    if (this.#trouble === undefined || this.#isRecovering || this.#fenced !== undefined || this.#isFrozen) return
    this.#isRecovering = true
    this.#cancelProbe()
    let changes: readonly StateChange[] = []
    const write = async (next: readonly StateChange[]): Promise<void> => {
      changes = next
      await this.#lease.write(next)
    }
    try {
      const at = this.#clock.wallTime()
      if (this.#roomBytes > 0) await write([{ ...probePlace, value: { at, room: 'x'.repeat(this.#roomBytes) } }])
      do {
        for (const waiting of this.#waiting) {
          const next = changesOf(waiting)
          if (next === undefined) continue
          const earlier = this.#pending().filter(([, { number }]) => number < waiting.number)
          await write([...earlier.map(([, { change }]) => change), ...next])
          this.#forget(earlier)
          waiting.resolve()
        }
        const facts = this.#pending()
        await write([...facts.map(([, { change }]) => change), { ...probePlace, value: at }])
        this.#forget(facts)
        // Somebody may have begun to wait meanwhile.
      } while (this.#waiting.size > 0)
      this.#recovered()
    } catch (error) {
      this.#failed(error as Error, changes)
      if (this.#fenced === undefined) this.#probeLater()
    } finally {
      this.#isRecovering = false
    }
  }

  #recovered(): void {
    const { since } = this.#trouble!
    this.#trouble = undefined
    this.#roomBytes = 0
    this.#logger.info({ after_seconds: loggedSeconds(this.#clock.now() - since) }, 'state can be written again')
    void this.#flush()
    this.#changed()
  }

  #end(error: FencedError): void {
    if (this.#fenced !== undefined) return
    this.#close(error)
    this.#changed()
  }

  /** Nothing is kept any more. */
  #close(error: FencedError): void {
    this.#fenced = error
    this.#trouble = { since: this.#clock.now(), error }
    this.#cancelProbe()
    this.#facts.clear()
    for (const { reject } of this.#waiting) reject(error)
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** Undefined: they cannot be told, and whoever waits for them was told why. */
function changesOf({ changes, reject }: Waiting): readonly StateChange[] | undefined {
  try {
    return changes()
  } catch (error) {
    reject(error)
    return undefined
  }
}

function placeOf(kind: string, key: string): string {
  return `${kind} ${key}`
}

/** Also one made by another copy of this package. */
export function isFenced(error: unknown): error is FencedError {
  return error instanceof FencedError || (error instanceof Error && error.name === 'FencedError')
}
