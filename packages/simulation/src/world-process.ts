import type { CancelTimer, Clock } from '@runner-core/fleeting'

/** Everything through which a process touches the world. */
export type EffectKind = 'store' | 'group' | 'connection' | 'coordinator' | 'clock'

/** At which effect from now on the process is killed, 1 the next one; `before` it reaches the world, or `after` it did, so that its answer is never heard. */
export interface KillPoint {
  readonly effect: number
  readonly when: 'before' | 'after'
}

/**
 * A process that a world can kill at any moment, as `kill -9` does: from then on nothing of it reaches the world, and nothing of the world reaches it. What it asked for before is done all the same.
 * Whatever it does goes through {@link effect}, and whatever it waits for through its {@link clock}.
 */
export class WorldProcess {
  /** The world's clock as the process sees it: its timers die with it. */
  readonly clock: Clock
  /** Effects so far. */
  effects = 0
  readonly #world: Clock
  readonly #onKilled: (where: string) => void
  readonly #timers = new Set<CancelTimer>()
  readonly #atEnd = new Set<() => void>()
  #isAlive = true
  #killAt: { readonly effect: number; readonly when: KillPoint['when'] } | undefined

  /** Which of a world's processes it is. */
  readonly name: string

  /** `onKilled` is told where. */
  constructor(name: string, world: Clock, onKilled: (where: string) => void) {
    this.name = name
    this.#world = world
    this.#onKilled = onKilled
    this.clock = {
      now: () => world.now(),
      wallTime: () => world.wallTime(),
      after: (delayMs, callback) => this.#after(delayMs, callback),
    }
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** It will be killed there, unless it is before. */
  killAt({ effect, when }: KillPoint): void {
    this.#killAt = { effect: this.effects + effect, when }
  }

  /** What was planned with {@link killAt} is not done. */
  spare(): void {
    this.#killAt = undefined
  }

  kill(where: string): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    for (const end of this.#atEnd) end()
    this.#atEnd.clear()
    this.#onKilled(where)
  }

  /** Calls `end` when the process is killed: its sockets close. Returns how to stop. */
  atEnd(end: () => void): () => void {
    this.#atEnd.add(end)
    return () => this.#atEnd.delete(end)
  }

  /** One call into the world. To a dead process nothing answers. */
  async effect<T>(kind: EffectKind, name: string, act: () => Promise<T>): Promise<T> {
    if (!this.#begins(kind, name)) return await silence<T>()
    const number = this.effects
    try {
      return await act()
    } finally {
      this.#ended(number, kind, name)
      if (!this.#isAlive) await silence()
    }
  }

  #after(delayMs: number, callback: () => void): CancelTimer {
    if (!this.#isAlive) return () => {}
    const cancelTimer = this.#world.after(delayMs, () => {
      this.#timers.delete(cancel)
      if (!this.#begins('clock', 'a timer')) return
      const number = this.effects
      callback()
      this.#ended(number, 'clock', 'a timer')
    })
    const cancel = (): void => {
      this.#timers.delete(cancel)
      cancelTimer()
    }
    this.#timers.add(cancel)
    return cancel
  }

  #begins(kind: EffectKind, name: string): boolean {
    if (!this.#isAlive) return false
    this.effects += 1
    if (this.#killAt?.effect === this.effects && this.#killAt.when === 'before') this.kill(`before ${kind}: ${name}`)
    return this.#isAlive
  }

  #ended(number: number, kind: EffectKind, name: string): void {
    if (this.#killAt?.effect === number && this.#killAt.when === 'after') this.kill(`after ${kind}: ${name}`)
  }
}

/** Never settles. */
function silence<T>(): Promise<T> {
  return new Promise(() => {})
}
