import type { Connection } from '@runner-core/fleeting'
import {
  type Acquisition,
  AlreadyEndedError,
  InstanceEndingError,
  InstanceLostError,
  type Reservation,
} from './acquisition.ts'
import type { InstanceSlots } from './instance-slots.ts'

/** What a slot is for. */
export interface SlotOrigin {
  readonly key: string
  readonly label?: string | undefined
  readonly content?: string | undefined
}

/** Whose slots they are, and whose reservations. */
export interface Lender {
  /** Before the names that reservations get here: over processes they must differ. */
  readonly keyPrefix: string
  release(acquisition: Acquisition): void
  condemn(acquisition: SlotAcquisition, reason: string): void
  unreserve(reservation: Reservation): void
  connect(instanceId: string, slot: number, signal: AbortSignal): Promise<Connection>
  /** An acquisition ended with its instance. */
  lost(acquisition: Acquisition): void
}

const done = Promise.resolve()
const never = new AbortController().signal

/** One slot lent. See {@link Acquisition} for its users' view. */
export class SlotAcquisition implements Acquisition {
  readonly slot: number
  readonly useCount: number
  readonly host: InstanceSlots
  readonly lender: Lender
  /** Where the slot is now: with a job, given back, or gone with its instance. */
  state: 'lent' | 'released' | 'lost' = 'lent'
  isForContent = false
  readonly #origin: SlotOrigin
  #lost: InstanceLostError | undefined = undefined
  #controller: AbortController | undefined = undefined
  #ending: AbortController | undefined = undefined

  /** The slot is the host's, taken for this. */
  constructor(host: InstanceSlots, slot: number, useCount: number, origin: SlotOrigin, lender: Lender) {
    this.host = host
    this.slot = slot
    this.useCount = useCount
    this.#origin = origin
    this.lender = lender
    host.lend(this)
  }

  get key(): string {
    return this.#origin.key
  }

  get instanceId(): string {
    return this.host.id
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#lost !== undefined) this.#controller.abort(this.#lost)
    }
    return this.#controller.signal
  }

  get ending(): AbortSignal {
    this.#ending ??= new AbortController()
    return this.#ending.signal
  }

  /** The instance is about to go: tells whoever looks at `ending`, once. */
  end(): void {
    this.#ending ??= new AbortController()
    if (!this.#ending.signal.aborted) this.#ending.abort(new InstanceEndingError(this.instanceId))
  }

  async connect(signal: AbortSignal = never): Promise<Connection> {
    if (this.state === 'released') throw new AlreadyEndedError('acquisition', this.key)
    try {
      if (this.#lost !== undefined) throw this.#lost
      const connection = await this.lender.connect(this.instanceId, this.slot, signal)
      if (this.#origin.label !== undefined) this.host.settleLabel(this.#origin.label)
      return connection
    } catch (error) {
      throw this.#lost ?? error
    }
  }

  addContent(content: string): void {
    this.host.contents.add(content)
  }

  condemn(reason: string): void {
    if (this.state === 'lent') this.lender.condemn(this, reason)
  }

  /** The instance is gone: tells whoever looks at the signal. */
  lose(why: string): void {
    this.state = 'lost'
    this.#lost = new InstanceLostError(this.instanceId, why, {
      wasAnnounced: this.host.instance.interruptedAt !== undefined,
    })
    this.#controller?.abort(this.#lost)
    this.lender.lost(this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.lender.release(this)
    return done
  }
}
