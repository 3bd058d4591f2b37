import type { CancelTimer, Clock } from '@runner-core/fleeting'

/** Everything through which a process touches the world. */
export type EffectKind = 'store' | 'group' | 'connection' | 'coordinator' | 'clock'

/**
 * At which effect from now on something happens to the process, 1 the next one; `before` it reaches the world, or
 * `after` it did, so that its answer is not heard, or not yet.
 */
export interface EffectPoint {
  readonly effect: number
  readonly when: 'before' | 'after'
}

/** What happens to a process at an effect: it is killed, or stopped for so long. */
interface Fate {
  readonly effect: number
  readonly when: EffectPoint['when']
  readonly pauseMs: number | 'for ever'
}

/**
 * A process that a world can kill at any moment, as `kill -9` does: from then on nothing of it reaches the world, and
 * nothing of the world reaches it. What it asked for before is done all the same. It can also be stopped for a while,
 * as by SIGSTOP: then what the world has for it comes late, and what it was about to do is done late, however much has
 * changed since it looked. Whatever it does goes through {@link effect}, whatever it waits for through its
 * {@link clock}, and whatever else reaches it through {@link deliver}.
 */
export class WorldProcess {
  /** Names this life of a manager. */
  readonly name: string
  /** The world's clock as the process sees it: its timers die with it. */
  readonly clock: Clock
  /** Effects so far. */
  effects = 0
  /** When it last went on after it had stood still, `Clock.now()`. */
  thawedAt: number = Number.NEGATIVE_INFINITY
  readonly #world: Clock
  readonly #onKilled: (where: string) => void
  readonly #onFrozen: (where: string, ms: number) => void
  readonly #timers = new Set<CancelTimer>()
  readonly #atEnd = new Set<() => void>()
  /** What has come while it was stopped, in order. */
  readonly #late: (() => void)[] = []
  #isAlive = true
  #isFrozen = false
  #fate: Fate | undefined

  /** `onKilled` and `onFrozen` are told where. */
  constructor(
    world: Clock,
    {
      name = 'manager',
      onKilled,
      onFrozen = () => {},
      wallOffsetMs = 0,
    }: {
      readonly name?: string
      readonly onKilled: (where: string) => void
      readonly onFrozen?: (where: string, ms: number) => void
      /** How far its computer's wall clock is from the world's. */
      readonly wallOffsetMs?: number
    },
  ) {
    this.name = name
    this.#world = world
    this.#onKilled = onKilled
    this.#onFrozen = onFrozen
    this.clock = {
      now: () => world.now(),
      wallTime: () => world.wallTime() + wallOffsetMs,
      after: (delayMs, callback) => this.#after(delayMs, callback),
    }
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  get isFrozen(): boolean {
    return this.#isFrozen
  }

  /** It will be killed there, unless it is before. */
  killAt({ effect, when }: EffectPoint): void {
    this.#fate = { effect: this.effects + effect, when, pauseMs: 'for ever' }
  }

  /** It will be stopped there for so long. */
  freezeAt({ effect, when }: EffectPoint, pauseMs: number): void {
    this.#fate = { effect: this.effects + effect, when, pauseMs }
  }

  /** What was planned with {@link killAt} or {@link freezeAt} is not done. */
  spare(): void {
    this.#fate = undefined
  }

  kill(where: string): void {
    if (!this.#isAlive) return
    this.exit()
    this.#onKilled(where)
  }

  /** It has ended by itself: nothing reaches it or the world any more. */
  exit(): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    this.#late.length = 0
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    for (const end of this.#atEnd) end()
    this.#atEnd.clear()
  }

  /** Stops it for so long. */
  freeze(ms: number, where: string): void {
    if (!this.#isAlive || this.#isFrozen) return
    this.#isFrozen = true
    this.#onFrozen(where, ms)
    this.#world.after(ms, () => this.#thaw())
  }

  /** Calls `end` when the process is killed: its sockets close. Returns how to stop. */
  atEnd(end: () => void): () => void {
    this.#atEnd.add(end)
    return () => this.#atEnd.delete(end)
  }

  /** Something reaches it: now, or once it goes on; a dead one never. */
  deliver(act: () => void): void {
    if (!this.#isAlive) return
    if (this.#isFrozen || this.#late.length > 0) this.#late.push(act)
    else act()
  }

  /** One call into the world. To a dead process nothing answers. */
  async effect<T>(kind: EffectKind, name: string, act: () => Promise<T>): Promise<T> {
    if (this.#isFrozen) await this.#goesOn()
    if (!this.#begins(kind, name)) return await silence<T>()
    const number = this.effects
    // It may have been stopped just before.
    if (this.#isFrozen) await this.#goesOn()
    if (!this.#isAlive) return await silence<T>()
    try {
      return await act()
    } finally {
      this.#ended(number, kind, name)
      if (this.#isFrozen || this.#late.length > 0) await this.#goesOn()
      if (!this.#isAlive) await silence()
    }
  }

  /** Never settles for one that is killed meanwhile. */
  #goesOn(): Promise<void> {
    return new Promise((resolve) => this.deliver(resolve))
  }

  /** What is late comes one after the other, with all that follows from each before the next. */
  #thaw(): void {
    if (!this.#isAlive) return
    this.#isFrozen = false
    this.thawedAt = this.#world.now()
    const next = (): void => {
      if (!this.#isAlive || this.#isFrozen) return
      const act = this.#late.shift()
      if (act === undefined) return
      act()
      if (this.#late.length > 0) this.#world.after(0, next)
    }
    next()
  }

  #after(delayMs: number, callback: () => void): CancelTimer {
    if (!this.#isAlive) return () => {}
    let isCancelled = false
    const cancelTimer = this.#world.after(delayMs, () =>
      this.deliver(() => {
        if (isCancelled) return
        this.#timers.delete(cancel)
        if (!this.#begins('clock', 'a timer')) return
        const number = this.effects
        if (this.#isFrozen) this.deliver(callback)
        else callback()
        this.#ended(number, 'clock', 'a timer')
      }),
    )
    const cancel = (): void => {
      isCancelled = true
      this.#timers.delete(cancel)
      cancelTimer()
    }
    this.#timers.add(cancel)
    return cancel
  }

  #begins(kind: EffectKind, name: string): boolean {
    if (!this.#isAlive) return false
    this.effects += 1
    if (this.#fate?.effect === this.effects && this.#fate.when === 'before')
      this.#meet(this.#fate, `before ${kind}: ${name}`)
    return this.#isAlive
  }

  #ended(number: number, kind: EffectKind, name: string): void {
    if (this.#fate?.effect === number && this.#fate.when === 'after') this.#meet(this.#fate, `after ${kind}: ${name}`)
  }

  #meet({ pauseMs }: Fate, where: string): void {
    this.#fate = undefined
    if (pauseMs === 'for ever') this.kill(where)
    else this.freeze(pauseMs, where)
  }
}

/** Never settles. */
function silence<T>(): Promise<T> {
  return new Promise(() => {})
}
