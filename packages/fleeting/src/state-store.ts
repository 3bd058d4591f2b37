/** A value that JSON can hold. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** The classes of record that the stack keeps about a fleet. */
export type StateRecordKind = 'launch' | 'removal' | 'instance' | 'reservation' | 'acquisition' | 'job'

/** Puts `value` at (`kind`, `key`), or deletes what is there when it is null. */
export interface StateChange {
  readonly kind: StateRecordKind
  readonly key: string
  readonly value: JsonValue | null
}

export interface StateRecord {
  readonly kind: StateRecordKind
  readonly key: string
  readonly value: JsonValue
}

/** Thrown by `FleetLease.write` when another process has taken the fleet over: this one must stop acting. */
export class FencedError extends Error {
  override readonly name = 'FencedError'
  readonly code = 'fenced'
  readonly fleet: string
  readonly epoch: number

  constructor(fleet: string, epoch: number) {
    super(`fleet ${fleet}: epoch ${epoch} is over, another process owns the fleet now`)
    this.fleet = fleet
    this.epoch = epoch
  }
}

/** The right to act on one fleet. Every write carries its epoch; after another process took a lease, writes reject with {@link FencedError}. */
export interface FleetLease {
  readonly fleet: string
  /** Grows by at least one with each lease of the same fleet. */
  readonly epoch: number
  /** Everything kept about the fleet. */
  load(): Promise<readonly StateRecord[]>
  /** All changes or none. Resolves when they would survive a crash, as far as this store promises that. An intent is written, and awaited, before its act. */
  write(changes: readonly StateChange[]): Promise<void>
  release(): Promise<void>
}

/** Where a fleet's intents and facts are kept. Embedded in memory by default; a durable store implements the same interface. */
export interface StateStore {
  /** Takes the fleet over: earlier leases of the same fleet are fenced from here on. */
  lease(fleet: string): Promise<FleetLease>
  close(): Promise<void>
}
