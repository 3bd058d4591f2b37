import { IntrusiveList } from './intrusive-list.ts'
import type { SlotReservation } from './slot-reservation.ts'

/**
 * Acquires that wait: higher priorities first, first come first served within one. Adding and leaving cost O(1) for
 * each priority that is in use.
 */
export class WaitQueue {
  size = 0
  /** Highest priority first; never an empty list. */
  readonly #lanes: { readonly priority: number; readonly list: IntrusiveList<SlotReservation> }[] = []

  /** Who gets the next slot. */
  get first(): SlotReservation | undefined {
    return this.#lanes[0]?.list.first
  }

  add(reservation: SlotReservation): void {
    let index = this.#lanes.findIndex((lane) => lane.priority <= reservation.priority)
    if (index === -1) index = this.#lanes.length
    if (this.#lanes[index]?.priority !== reservation.priority) {
      this.#lanes.splice(index, 0, { priority: reservation.priority, list: new IntrusiveList() })
    }
    this.#lanes[index]!.list.append(reservation)
    this.size++
  }

  remove(reservation: SlotReservation): void {
    const index = this.#lanes.findIndex((lane) => lane.priority === reservation.priority)
    const { list } = this.#lanes[index]!
    list.remove(reservation)
    if (list.size === 0) this.#lanes.splice(index, 1)
    this.size--
  }

  /** How many get a slot up to this one, itself included. */
  positionOf(reservation: SlotReservation): number {
    let position = 0
    for (const other of this) {
      position++
      if (other === reservation) break
    }
    return position
  }

  /** In the order in which they get slots. */
  *[Symbol.iterator](): Generator<SlotReservation> {
    for (const { list } of this.#lanes) {
      for (let reservation = list.first; reservation !== undefined; reservation = reservation.next) yield reservation
    }
  }
}
