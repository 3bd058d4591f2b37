import type { Connection } from '@runner-core/fleeting'

/** What {@link Reservation} is asked for. */
export interface ReserveOptions {
  /**
   * Who gets a slot first among acquires that wait: the larger number; first come, first served within one. Default 0.
   */
  readonly priority?: number
  /**
   * Names the reservation, and the acquisition that it becomes, in logs and status; the caller keeps it unique.
   * Default: a name of our own.
   */
  readonly key?: string
  /**
   * True when it is not known yet whether there is a job, as for a long poll that may come back empty. Such a
   * reservation is a claim on what there is and on what could be made, but no demand: it makes no instance and keeps
   * none from being removed. Once a job came, `acquire` makes the demand. Default false: the reservation itself counts
   * as one job.
   */
  readonly speculative?: boolean
}

/**
 * A promise of capacity, taken before a job is asked for. It ends by `unreserve`, also while `acquire` waits, or by
 * `acquire`, however that ends. No particular slot is set aside: as many reservations are of kind `slot` as there are
 * slots free, in the order in which they were made.
 */
export interface Reservation extends Disposable {
  readonly key: string
  /**
   * `slot`: a ready slot is held. `promised`: one is expected at `readyAt`. Changes when slots become free, are taken
   * by jobs that are here already, or are lost.
   */
  readonly kind: 'slot' | 'promised'
  /**
   * On the clock's `now()` scale; the past for `slot`. Dated from observed ready times, capped; dated anew when it
   * passes, and when `acquire` begins to wait.
   */
  readonly readyAt: number
  readonly priority: number
  readonly speculative: boolean
}

/** Whether an acquire waits rather than get an instance of another label; see {@link AcquireOptions.labelOnly}. */
export type LabelOnly = boolean | 'if_room'

export interface AcquireOptions {
  /** Ends the wait: `acquire` rejects with its reason, and nothing of the wait or of the reservation is left. */
  readonly signal?: AbortSignal
  /**
   * Prefers the instance whose first labelled job named the same, then one to which no labelled job connected, over the
   * others. Where only others have a free slot it gets one of these: no reason to wait, without `labelOnly`. An
   * instance keeps its label; over a restart too, where there is state.
   * @defaultValue the fullest instance, whatever its label
   */
  readonly label?: string | undefined
  /**
   * Waits rather than get an instance of another label; instances are launched for it although others have free slots.
   * `if_room`: only while one can be launched, or is on its way. Where `max_instances` leaves no room, or the cloud
   * has none now, it gets a slot of another label.
   * @defaultValue `false`
   */
  readonly labelOnly?: LabelOnly | undefined
  /**
   * Among the instances that are equal by `label`, prefers the fullest one that has this: something that makes the work
   * start sooner, such as an image, by a name that the caller chooses. Never a reason to wait. An instance has what its
   * warm-up or {@link Acquisition.addContent} named: the last 50 names, as far as this process knows.
   * @defaultValue the fullest instance, whatever it has
   */
  readonly content?: string | undefined
  /**
   * Called once when the wait begins: before `acquire` returns where no slot is free, later where one is and state
   * cannot be written. Must not throw.
   */
  readonly onWait?: () => void
  /** Called each time the promise expired and was dated anew, with a sentence that says so. Must not throw. */
  readonly onReplanned?: (explanation: string) => void
}

/**
 * Thrown when a reservation or an acquisition is used after its end, or given up while `acquire` waits: a mistake of
 * the caller.
 */
export class AlreadyEndedError extends Error {
  override readonly name = 'AlreadyEndedError'
  readonly code = 'already_ended'
  readonly key: string

  constructor(what: 'reservation' | 'acquisition', key: string) {
    super(`${what} ${key} has ended`)
    this.key = key
  }
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

/**
 * `max_instances` every slot that there can be is taken or promised · `preemptive_mode` no ready slot now · `backoff`,
 * `breaker` a new instance would be needed and launches fail · `state` what is lent cannot be kept, or another process
 * has the fleet now · `shutdown`.
 */
export type NoCapacityReason = 'max_instances' | 'preemptive_mode' | 'backoff' | 'breaker' | 'state' | 'shutdown'

/** Thrown to whom a slot was lent when its instance is lost; the reason of `Acquisition.signal`. */
export class InstanceLostError extends Error {
  override readonly name = 'InstanceLostError'
  readonly code = 'instance_lost'
  readonly instanceId: string
  /** Whether the cloud had announced that it takes the instance away. */
  readonly wasAnnounced: boolean

  constructor(
    instanceId: string,
    why: string,
    options: { readonly cause?: unknown; readonly wasAnnounced?: boolean } = {},
  ) {
    super(`instance ${instanceId} was lost: ${why}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.instanceId = instanceId
    this.wasAnnounced = options.wasAnnounced ?? false
  }
}

/**
 * The reason of `Acquisition.ending`: the cloud takes the instance away, and there is just time left to end what runs
 * on it.
 */
export class InstanceEndingError extends Error {
  override readonly name = 'InstanceEndingError'
  readonly code = 'instance_ending'
  readonly instanceId: string

  constructor(instanceId: string) {
    super(`the cloud reclaims instance ${instanceId}`)
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
  /**
   * Whether the instance was chosen since it has the content that was asked for; false where it had been chosen anyway.
   */
  readonly isForContent: boolean
  /**
   * Aborts with an `InstanceLostError` when the instance is lost. Made when first asked for: most jobs that look at it
   * never see it fire.
   */
  readonly signal: AbortSignal
  /**
   * Aborts with an {@link InstanceEndingError} when the cloud announced that it takes the instance away, and 20 s, or
   * half of its notice, are left: whatever runs is best ended now, while it can be. Never when the cloud gives no time;
   * until then jobs may finish.
   */
  readonly ending: AbortSignal
  /**
   * The slot's connection: kept over acquisitions and checked before it is handed out. Thrown: `ConnectionError`,
   * `GroupError`, {@link InstanceLostError}, {@link AlreadyEndedError}.
   */
  connect(signal?: AbortSignal): Promise<Connection>
  /** Says that the instance has this now, for later jobs that prefer it: see {@link AcquireOptions.content}. */
  addContent(content: string): void
  /**
   * From now on nobody else gets a slot of the instance; once its last job has ended it is removed. For when something
   * of the job may stay on it. The slot itself stays lent until released. `reason` is for people; the first one is
   * kept.
   */
  condemn(reason: string): void
}
