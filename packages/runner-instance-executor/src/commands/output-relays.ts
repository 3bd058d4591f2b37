import { randomBytes } from 'node:crypto'
import type { Clock, Connection } from '@runner-core/fleeting'
import { OutputRelay } from './output-relay.ts'

/** A relay that no job needs is ended so soon, and with it what it kept of the last one. */
const idleMs = 1000

interface Idle {
  readonly relay: OutputRelay
  readonly buildsDir: string
  cancelEnd: () => void
  /** Whether what it kept of its last job is of no use any more. */
  isSettled: boolean
}

/** The relays of the connections to instances, kept from one job to the next while jobs follow each other. */
export class OutputRelays {
  readonly #clock: Clock
  readonly #idle = new Map<Connection, Idle[]>()
  /** Those of machines that cannot have one. */
  readonly #without = new WeakSet<Connection>()
  readonly #ending = new Set<Promise<void>>()
  /**
   * Those that serve nobody any more, while what they kept of their last job may be needed: no more than jobs were at
   * work when state could not be written any more, since no slot is lent until it can.
   */
  readonly #held = new Set<OutputRelay>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Undefined where the machine cannot have one. Rejects with `UnwritableError`, `ConnectionError`, and the signal's
   * reason.
   */
  async take(
    connection: Connection,
    { buildsDir, limitBytes }: { readonly buildsDir: string; readonly limitBytes: number },
    signal: AbortSignal,
  ): Promise<OutputRelay | undefined> {
    if (this.#without.has(connection)) return undefined
    const kept = this.#takeIdle(connection, buildsDir)
    if (kept !== undefined) return kept
    const name = randomBytes(12).toString('hex')
    const relay = await OutputRelay.open(connection, { buildsDir, limitBytes, name, clock: this.#clock }, signal)
    if (relay === undefined) this.#without.add(connection)
    return relay
  }

  /**
   * Its job is over; `isClean`: nothing that could still print is left of it. What it kept of the job stays until the
   * function that comes back is called, or until the next job begins there: until the next process would know how the
   * job ended, it would go on with it.
   */
  giveBack(connection: Connection, buildsDir: string, relay: OutputRelay, isClean: boolean): () => void {
    if (!isClean || !relay.isUsable) {
      this.#held.add(relay)
      return () => {
        if (this.#held.delete(relay)) this.#end(relay)
      }
    }
    const idle: Idle = { relay, buildsDir, isSettled: false, cancelEnd: () => {} }
    this.#endLater(connection, idle)
    const others = this.#idle.get(connection)
    if (others === undefined) this.#idle.set(connection, [idle])
    else others.push(idle)
    return () => {
      idle.isSettled = true
    }
  }

  /** Ends all that no job has. Resolves when nothing is left of those that are settled, or cannot be removed. */
  async ended(): Promise<void> {
    for (const [connection, kept] of this.#idle) for (const idle of kept) this.#drop(connection, idle)
    for (const relay of this.#held) relay.giveUp()
    this.#held.clear()
    await Promise.all(this.#ending)
  }

  #takeIdle(connection: Connection, buildsDir: string): OutputRelay | undefined {
    for (const idle of this.#idle.get(connection) ?? []) {
      if (idle.buildsDir !== buildsDir) continue
      this.#remove(connection, idle)
      if (idle.relay.isUsable) {
        idle.relay.begin()
        return idle.relay
      }
      this.#close(idle)
    }
    return undefined
  }

  #endLater(connection: Connection, idle: Idle): void {
    idle.cancelEnd = this.#clock.after(idleMs, () => {
      if (idle.isSettled) this.#drop(connection, idle)
      else this.#endLater(connection, idle)
    })
  }

  #drop(connection: Connection, idle: Idle): void {
    this.#remove(connection, idle)
    this.#close(idle)
  }

  #close({ relay, isSettled }: Idle): void {
    if (isSettled) this.#end(relay)
    else relay.giveUp()
  }

  #remove(connection: Connection, idle: Idle): void {
    idle.cancelEnd()
    const left = this.#idle.get(connection)?.filter((other) => other !== idle) ?? []
    if (left.length === 0) this.#idle.delete(connection)
    else this.#idle.set(connection, left)
  }

  #end(relay: OutputRelay): void {
    const ending = relay.end()
    this.#ending.add(ending)
    void ending.finally(() => this.#ending.delete(ending))
  }
}
