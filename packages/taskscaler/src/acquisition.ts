import type { Connection } from '@runner-core/fleeting'

/** A promise of capacity, taken before a job is asked for. It ends by `unreserve`, or becomes an acquisition by `acquire`. */
export interface Reservation extends Disposable {
  /** Unique within the taskscaler. */
  readonly key: string
  /** `slot`: a ready slot is held. `promised`: one is expected at `readyAt`. */
  readonly kind: 'slot' | 'promised'
  /** On the clock's `now()` scale; the past for `slot`. Dated from observed ready times, capped. */
  readonly readyAt: number
  readonly priority: number
}

/** Thrown by `reserve` when there is neither a slot nor room for one. The message says why, for people. */
export class NoCapacityError extends Error {
  override readonly name = 'NoCapacityError'
  readonly code = 'no_capacity'
  /** Machine-readable: what stands in the way. */
  readonly reason: NoCapacityReason

  constructor(reason: NoCapacityReason, message: string) {
    super(message)
    this.reason = reason
  }
}

/** `max_instances` all slots taken · `preemptive_mode` no ready slot now · `backoff`, `breaker`: launches fail · `shutdown`. */
export type NoCapacityReason = 'max_instances' | 'preemptive_mode' | 'backoff' | 'breaker' | 'shutdown'

/** Thrown to whom a slot was lent when its instance is lost; the reason of `Acquisition.signal`. */
export class InstanceLostError extends Error {
  override readonly name = 'InstanceLostError'
  readonly code = 'instance_lost'
  readonly instanceId: string

  constructor(instanceId: string, why: string, options: { readonly cause?: unknown } = {}) {
    super(`instance ${instanceId} was lost: ${why}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.instanceId = instanceId
  }
}

/** One slot lent to one job. Ends by `release`, or at the end of an `await using` block. */
export interface Acquisition extends AsyncDisposable {
  readonly key: string
  readonly instanceId: string
  /** 0 … capacity-1; no other acquisition of the same instance has it at the same time. */
  readonly slot: number
  /** How many acquisitions the instance has had, this one included. */
  readonly useCount: number
  /** Aborts with an `InstanceLostError` when the instance is lost. Made when first asked for: most jobs that look at it never see it fire. */
  readonly signal: AbortSignal
  /** The slot's connection: kept over acquisitions and checked before it is handed out. Thrown: `ConnectionError`, `GroupError`. */
  connect(signal?: AbortSignal): Promise<Connection>
  /** Whether, at release, the instance may serve another job. Set it when something of the job may still be there. Default false. */
  dirty: boolean
}
