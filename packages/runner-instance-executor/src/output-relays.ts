import { randomBytes } from 'node:crypto'
import type { Clock, Connection } from '@runner-core/fleeting'
import { OutputRelay } from './output-relay.ts'

/** A relay that no job needs is ended so soon, and with it what it kept of the last one. */
const idleMs = 1000

interface Idle {
  readonly relay: OutputRelay
  readonly buildsDir: string
  readonly cancelEnd: () => void
}

/** The relays of the connections to instances, kept from one job to the next while jobs follow each other. */
export class OutputRelays {
  readonly #clock: Clock
  readonly #idle = new Map<Connection, Idle[]>()
  /** Those of machines that cannot have one. */
  readonly #without = new WeakSet<Connection>()
  readonly #ending = new Set<Promise<void>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Undefined where the machine cannot have one. Rejects with `UnwritableError`, `ConnectionError`, and the signal's reason. */
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

  /** Its job is over; `isClean`: nothing that could still print is left of it. */
  giveBack(connection: Connection, buildsDir: string, relay: OutputRelay, isClean: boolean): void {
    if (!isClean || !relay.isUsable) {
      this.#end(relay)
      return
    }
    const idle: Idle = { relay, buildsDir, cancelEnd: this.#clock.after(idleMs, () => this.#drop(connection, idle)) }
    const others = this.#idle.get(connection)
    if (others === undefined) this.#idle.set(connection, [idle])
    else others.push(idle)
  }

  /** Ends all that no job has. Resolves when nothing of them is left, or cannot be removed. */
  async ended(): Promise<void> {
    for (const [connection, kept] of this.#idle) for (const idle of kept) this.#drop(connection, idle)
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
      this.#end(idle.relay)
    }
    return undefined
  }

  #drop(connection: Connection, idle: Idle): void {
    this.#remove(connection, idle)
    this.#end(idle.relay)
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
