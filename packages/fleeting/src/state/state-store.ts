/** A value that JSON can hold. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** Puts `value` at (`kind`, `key`), or deletes what is there when it is null. */
export interface StateChange {
  /** A layer's own, of its `StateNamespace`. */
  readonly kind: string
  readonly key: string
  readonly value: JsonValue | null
  /**
   * `power`: it survives the loss of power too once the write resolves, with all that was written before. `process`:
   * the end of the process, in whatever way.
   * @defaultValue `process`
   */
  readonly survives?: 'power' | 'process' | undefined
}

export interface StateRecord {
  readonly kind: string
  readonly key: string
  readonly value: JsonValue
}

/**
 * Thrown by `FleetLease.write`, and the reason of `lost`, when the lease is over, as a rule because another process has
 * taken the fleet: this one must stop acting. With a `cause` it is over because its state cannot be kept any more.
 */
export class FencedError extends Error {
  override readonly name = 'FencedError'
  readonly code = 'fenced'
  readonly fleet: string
  readonly epoch: number

  constructor(fleet: string, epoch: number, cause?: StateError) {
    const why = cause === undefined ? 'another process owns the fleet now' : cause.message
    super(`fleet ${fleet}: epoch ${epoch} is over, ${why}`, cause && { cause })
    this.fleet = fleet
    this.epoch = epoch
  }
}

/**
 * - `corrupt`: what is kept cannot be read, or is none of ours; nothing was changed.
 * - `newer_schema`: a newer version wrote it; nothing was changed.
 * - `disk_full`: there is no room; what was kept before is whole.
 * - `busy`: another process held it for too long; trying again may help.
 * - `unavailable`: it cannot be opened, read or written: permissions, a disk error, no such directory.
 * - `wrong_key`: what is encrypted in it cannot be opened with the key at hand.
 * - `closed`: the store was closed.
 * - `gone`: its file was removed or replaced: what is written now would be lost.
 * - `backlog`: more waits to be written than may; trying again may help.
 */
export type StateErrorCode =
  | 'corrupt'
  | 'newer_schema'
  | 'disk_full'
  | 'busy'
  | 'unavailable'
  | 'wrong_key'
  | 'closed'
  | 'gone'
  | 'backlog'

/** Thrown when state cannot be kept or read. What was kept is left as it is. */
export class StateError extends Error {
  override readonly name = 'StateError'
  readonly code: StateErrorCode

  constructor(code: StateErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
  }
}

/**
 * The right to act on one fleet. Every write carries its epoch; after another process took the fleet, writes reject
 * with {@link FencedError}.
 */
export interface FleetLease {
  readonly fleet: string
  /** Grows by at least one with each lease of the same fleet. */
  readonly epoch: number
  /**
   * Aborts with a {@link FencedError} when another process has taken the fleet, or what is kept about it is gone, as
   * soon as this process can know. Not by `release`.
   */
  readonly lost: AbortSignal
  /**
   * Aborts when another process asks for the fleet, by `takeover`, where the store lets it ask: whoever has it should
   * stop, leave what runs as it is, and release it. One that does not in time loses the fleet all the same.
   */
  readonly wanted: AbortSignal
  /** Everything kept about the fleet, or the records of some kinds. */
  load(kinds?: readonly string[]): Promise<readonly StateRecord[]>
  /**
   * All changes or none, in the order of the calls. Resolves when they would survive a crash, as far as this store
   * promises that. An intent is written, and awaited, before its act. Without changes it only proves that the lease
   * still holds. Thrown: {@link FencedError}, {@link StateError}.
   */
  write(changes: readonly StateChange[]): Promise<void>
  /**
   * Ends the writes and keeps the fleet until `release`, so that nobody acts while this process lets go. Writes before
   * it are made; later ones are not, and are never answered: what waits for them acts on nothing any more. Thrown:
   * nothing; a write that fails tells its caller.
   */
  freeze(): void
  /** Lets the next process have the fleet at once. What was written before is kept. Idempotent. */
  release(): Promise<void>
}

/** Who has a fleet, for people. */
export interface FleetOwner {
  /** For example `process 4711 on build-3`. */
  readonly name: string
  /** How long this lease has been waited for, milliseconds. */
  readonly waitedMs: number
}

export interface LeaseOptions {
  /** Ends the wait; `lease` rejects with its reason. */
  readonly signal?: AbortSignal
  /** Told when another has the fleet, at once and then every 30 s. Must not throw. */
  readonly onWait?: (owner: FleetOwner) => void
  /**
   * Takes the fleet from an owner that lives: asks for it, and takes it by force when there is no answer. Default
   * false: it is waited until it released the fleet, ended, or has given no sign of life for long.
   */
  readonly takeover?: boolean
}

/**
 * Where a fleet's intents and facts are kept. Embedded in memory by default; a durable store implements the same
 * interface.
 */
export interface StateStore {
  /**
   * The right to act on a fleet; waits while another has it. Earlier leases of the same fleet are fenced from here on.
   * Thrown: {@link StateError}, the signal's reason.
   */
  lease(fleet: string, options?: LeaseOptions): Promise<FleetLease>
  /** Releases the leases that are left. */
  close(): Promise<void>
}
