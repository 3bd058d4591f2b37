import type { LabelOnly, Reservation, ReserveOptions } from './acquisition.ts'
import type { ListItem } from './intrusive-list.ts'
import type { Lender, SlotAcquisition } from './slot-acquisition.ts'

/** An `acquire` that found no slot. */
export interface Wait {
  readonly since: number
  readonly resolve: (acquisition: SlotAcquisition) => void
  readonly reject: (reason: unknown) => void
  readonly onReplanned: ((explanation: string) => void) | undefined
  /** Stops listening to the caller's signal. */
  readonly unlisten: () => void
  /** How often the promise has expired. */
  expired: number
}

/**
 * A reservation and, once `acquire` found no slot, its place in the queue. See {@link Reservation} for its users' view.
 */
export class SlotReservation implements Reservation, ListItem<SlotReservation> {
  next: SlotReservation | undefined = undefined
  previous: SlotReservation | undefined = undefined
  state: 'open' | 'waiting' | 'ended' = 'open'
  kind: 'slot' | 'promised' = 'slot'
  readyAt = 0
  wait: Wait | undefined = undefined
  label: string | undefined = undefined
  labelOnly: LabelOnly = false
  content: string | undefined = undefined
  readonly priority: number
  readonly speculative: boolean
  readonly lender: Lender
  readonly #number: number
  readonly #givenKey: string | undefined

  constructor(number: number, options: ReserveOptions | undefined, lender: Lender) {
    this.#number = number
    this.#givenKey = options?.key
    this.priority = options?.priority ?? 0
    this.speculative = options?.speculative ?? false
    this.lender = lender
  }

  /** The name is only built for those who ask for it. */
  get key(): string {
    return this.#givenKey ?? `${this.lender.keyPrefix}reservation-${this.#number}`
  }

  [Symbol.dispose](): void {
    this.lender.unreserve(this)
  }
}
