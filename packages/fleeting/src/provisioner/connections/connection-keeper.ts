import { type Clock, systemClock } from '../../contract/clock.ts'
import type { Connection } from '../../contract/connection.ts'
import { deadline } from '../../contract/deadline.ts'
import { ConnectionError, isConnectionError } from '../../contract/errors.ts'
import { SharedTask } from './shared-task.ts'

export interface ConnectionKeeperOptions {
  /** Opens a connection to an instance. Rejects soon after the signal aborts. */
  readonly dial: (instanceId: string, signal: AbortSignal) => Promise<Connection>
  readonly clock?: Clock
  /**
   * A kept connection on which the machine was heard within so many milliseconds is handed out without a check. Default
   * 2,000.
   */
  readonly freshMs?: number
  /** How long a check may take, milliseconds; then a new connection is dialled. Default 5,000. */
  readonly checkTimeoutMs?: number
  /**
   * How long a dial may take while another slot's connection to the same instance could be shared instead,
   * milliseconds. Default 10,000.
   */
  readonly shareAfterMs?: number
}

/** How long a slot stays with another's connection before it tries one of its own again. */
const sharedForMs = 60_000

interface Place {
  connection: Connection | undefined
  /** The check or dial under way. */
  task: SharedTask<Connection> | undefined
  sharedUntil: number
}

/**
 * Keeps one connection for each slot of each instance, across acquisitions: connecting costs tens of milliseconds, a
 * kept one microseconds. A connection is checked before it is handed out, unless the machine was heard just before; one
 * that died is replaced without the caller noticing.
 */
export class ConnectionKeeper {
  readonly #dial: (instanceId: string, signal: AbortSignal) => Promise<Connection>
  readonly #clock: Clock
  readonly #freshMs: number
  readonly #checkTimeoutMs: number
  readonly #shareAfterMs: number
  readonly #instances = new Map<string, Map<number, Place>>()
  #closed = false

  constructor(options: ConnectionKeeperOptions) {
    this.#dial = options.dial
    this.#clock = options.clock ?? systemClock
    this.#freshMs = options.freshMs ?? 2000
    this.#checkTimeoutMs = options.checkTimeoutMs ?? 5000
    this.#shareAfterMs = options.shareAfterMs ?? 10_000
  }

  /**
   * The slot's connection, alive as far as can be known. Calls for the same slot share one dial, which ends when none
   * of them waits any more. When the machine accepts no more connections, another slot's is shared for a minute.
   * Thrown: what `dial` throws; `ConnectionError` `unreachable` when the instance is forgotten meanwhile; the signal's
   * reason.
   */
  async get(instanceId: string, slot: number, signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted()
    if (this.#closed) throw forgotten(instanceId)
    const kept = this.#instances.get(instanceId)?.get(slot)
    if (kept?.connection !== undefined && kept.task === undefined && this.#isFresh(kept.connection))
      return kept.connection
    const place = kept ?? this.#addPlace(instanceId, slot)
    if (place.task === undefined || place.task.aborted) place.task = this.#provide(instanceId, slot, place)
    return place.task.join(signal)
  }

  /** The instance's connections that have not ended, as far as is known. */
  open(instanceId: string): readonly Connection[] {
    const places = [...(this.#instances.get(instanceId)?.values() ?? [])]
    return places.flatMap(({ connection }) =>
      connection === undefined || connection.ended !== undefined ? [] : [connection],
    )
  }

  /** Ends all that belongs to an instance: its connections, and dials under way. */
  forget(instanceId: string): void {
    void this.#drop(instanceId)
  }

  /** Ends everything. Idempotent; afterwards `get` rejects. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#instances.keys()].map((instanceId) => this.#drop(instanceId)))
  }

  async #drop(instanceId: string): Promise<void> {
    const places = [...(this.#instances.get(instanceId)?.values() ?? [])]
    this.#instances.delete(instanceId)
    for (const place of places) place.task?.abort(forgotten(instanceId))
    await Promise.all(places.flatMap(({ connection }) => (connection === undefined ? [] : [connection.close()])))
  }

  #addPlace(instanceId: string, slot: number): Place {
    const places = this.#instances.get(instanceId) ?? new Map<number, Place>()
    const place: Place = { connection: undefined, task: undefined, sharedUntil: 0 }
    this.#instances.set(instanceId, places)
    places.set(slot, place)
    return place
  }

  #isFresh(connection: Connection): boolean {
    const { ended, lastHeardAt } = connection
    return ended === undefined && lastHeardAt !== undefined && this.#clock.now() - lastHeardAt <= this.#freshMs
  }

  #provide(instanceId: string, slot: number, place: Place): SharedTask<Connection> {
    const task = new SharedTask(async (signal) => {
      try {
        const kept = await this.#checked(place.connection)
        return kept ?? (await this.#connect(instanceId, place, signal))
      } finally {
        if (place.task === task) place.task = undefined
        this.#tidy(instanceId, slot, place)
      }
    })
    return task
  }

  async #checked(connection: Connection | undefined): Promise<Connection | undefined> {
    if (connection === undefined || connection.ended !== undefined) return undefined
    try {
      if (!this.#isFresh(connection)) await connection.check(this.#checkTimeoutMs)
      return connection
    } catch {
      return undefined
    }
  }

  async #connect(instanceId: string, place: Place, signal: AbortSignal): Promise<Connection> {
    const dial = async (dialSignal: AbortSignal): Promise<Connection> => {
      const connection = await this.#dial(instanceId, dialSignal)
      if (signal.aborted) {
        void connection.close()
        throw signal.reason
      }
      place.connection = connection
      return connection
    }

    const other = await this.#checked(this.#otherConnection(instanceId))
    if (other === undefined) return dial(signal)
    if (this.#clock.now() < place.sharedUntil) return other
    const timedOut = (): ConnectionError =>
      new ConnectionError(
        'unreachable',
        `instance ${instanceId}: no further connection within ${this.#shareAfterMs} ms`,
      )
    using limit = deadline(this.#clock, this.#shareAfterMs, timedOut, signal)
    try {
      return await dial(limit.signal)
    } catch (error) {
      if (signal.aborted || other.ended !== undefined || !isConnectionError(error) || error.code !== 'unreachable')
        throw error
      place.sharedUntil = this.#clock.now() + sharedForMs
      return other
    }
  }

  #otherConnection(instanceId: string): Connection | undefined {
    for (const { connection } of this.#instances.get(instanceId)?.values() ?? []) {
      if (connection !== undefined && connection.ended === undefined) return connection
    }
    return undefined
  }

  /** Leaves nothing behind of a slot without a connection. */
  #tidy(instanceId: string, slot: number, place: Place): void {
    const places = this.#instances.get(instanceId)
    if (places?.get(slot) !== place || place.connection !== undefined || place.task !== undefined) return
    if (place.sharedUntil > this.#clock.now()) return
    places.delete(slot)
    if (places.size === 0) this.#instances.delete(instanceId)
  }
}

function forgotten(instanceId: string): ConnectionError {
  return new ConnectionError('unreachable', `instance ${instanceId}: its connections were closed`)
}
