import type { Clock } from '@runner-core/fleeting'
import type { AcquireOptions, ReserveOptions } from './acquisition.ts'
import type { InstanceSlots, SlotLimits } from './instance-slots.ts'
import { IntrusiveList } from './intrusive-list.ts'
import type { Lender, SlotAcquisition } from './slot-acquisition.ts'
import { SlotPool } from './slot-pool.ts'
import { SlotReservation, type Wait } from './slot-reservation.ts'
import { WaitQueue } from './wait-queue.ts'

/** When the caller at `position`, counted from 0, can expect a slot. */
export type PromiseDates = (position: number) => number

/** Which slot an acquire gets. */
export type SlotChoice = Pick<AcquireOptions, 'label' | 'labelOnly' | 'content'>

/**
 * Who has which slot, who waits for one, and who was promised one. Two things hold after every operation:
 *
 * - nobody waits while a slot is free, except who wants none of another label, or, with
 *   `if_room`, none while there is room for a new instance: a job that is here goes before a reservation whose job may
 *   never come;
 * - as many reservations hold a slot as there are slots free, in the order of reserving; the others are promised one. A
 *   job that is here may take the place of one that may never come.
 */
export class Allocator {
  readonly pool: SlotPool
  readonly waiting: WaitQueue = new WaitQueue()
  /** How many of those that wait want no slot of another label. */
  waitingForLabel = 0
  /** Reservations that were not acquired and are known to stand for a job. */
  reserved = 0
  readonly #held = new IntrusiveList<SlotReservation>()
  readonly #promised = new IntrusiveList<SlotReservation>()
  readonly #dates: () => PromiseDates
  /** How many new instances can be waited for. */
  #room = 0
  readonly #slotsPerInstance: number
  /** No promise is dated before this. */
  #firstDate = Number.POSITIVE_INFINITY
  readonly #lender: Lender
  #made = 0

  constructor(limits: SlotLimits, lender: Lender, dates: () => PromiseDates) {
    this.pool = new SlotPool(limits, lender)
    this.#lender = lender
    this.#dates = dates
    this.#slotsPerInstance = Math.min(limits.capacity, limits.uses)
  }

  /** Whether a slot is free that no reservation counts on. */
  get hasSpareSlot(): boolean {
    return this.pool.available > this.#held.size
  }

  /**
   * Whether a reservation would hold a slot: a spare one, or, for a job that is here, that of one whose job may never
   * come.
   */
  hasSlotFor(options: ReserveOptions | undefined): boolean {
    return this.hasSpareSlot || (!(options?.speculative ?? false) && this.pool.available > this.reserved)
  }

  /** Reservations and waits that no slot is there for. */
  get unserved(): number {
    return this.waiting.size + this.#promised.size
  }

  /** How many of these go before one more reservation: for a job that is here, none whose job may never come. */
  unservedBefore(options: ReserveOptions | undefined): number {
    if (options?.speculative ?? false) return this.unserved
    let count = this.waiting.size
    for (let reservation = this.#promised.first; reservation !== undefined; reservation = reservation.next)
      if (!reservation.speculative) count++
    return count
  }

  /** Reservations that were not acquired. */
  get openReservations(): number {
    return this.#held.size + this.#promised.size
  }

  /** A free slot is held, or else one is promised: whether it may be is the caller's decision. */
  reserve(options: ReserveOptions | undefined): SlotReservation {
    const reservation = new SlotReservation(++this.#made, options, this.#lender)
    if (!this.hasSpareSlot && this.hasSlotFor(options)) this.#displace()
    if (!reservation.speculative) this.reserved++
    if (this.hasSpareSlot) {
      this.#held.append(reservation)
    } else {
      this.#date(reservation, this.unserved)
      this.#promised.append(reservation)
    }
    return reservation
  }

  unreserve(reservation: SlotReservation): void {
    this.#close(reservation)
    this.#settle()
  }

  /**
   * Turns an open reservation into an acquisition; undefined when no slot is free. The reservation has ended then, or
   * waits after {@link wait}.
   */
  acquire(
    reservation: SlotReservation,
    { label, labelOnly = false, content }: SlotChoice = {},
  ): SlotAcquisition | undefined {
    this.#close(reservation)
    reservation.label = label
    reservation.labelOnly = label === undefined ? false : labelOnly
    reservation.content = content
    const acquisition =
      this.pool.available === 0 ? undefined : this.pool.take(reservation, this.#isLabelOnly(reservation))
    this.#settle()
    return acquisition
  }

  /**
   * Tells how many new instances can be waited for. Where there is less room than before, who waited for one gets a
   * slot of another label. Whether anybody did.
   */
  setRoom(instances: number): boolean {
    this.#room = instances
    const { acquired } = this.pool
    if (this.waitingForLabel > 0) this.#settle()
    return this.pool.acquired > acquired
  }

  wait(reservation: SlotReservation, wait: Wait): void {
    reservation.state = 'waiting'
    this.#date(reservation, this.waiting.size)
    reservation.wait = wait
    this.waiting.add(reservation)
    if (reservation.labelOnly !== false) this.waitingForLabel++
  }

  /** Ends a wait without a slot. */
  cancelWait(reservation: SlotReservation, reason: unknown): void {
    this.#endWait(reservation).reject(reason)
  }

  /** Gives a slot back to its instance and, unless nothing more may run there, on to who waits. */
  release(acquisition: SlotAcquisition, clock: Clock): void {
    this.pool.giveBack(acquisition, clock)
    this.#settle()
  }

  offer(host: InstanceSlots, now: number): void {
    this.pool.offer(host, now)
    this.#settle()
  }

  /** See {@link SlotPool.endHold}: nobody waits for it, since its slots may be lent all the time. */
  endHold(host: InstanceSlots, now: number): void {
    this.pool.endHold(host, now)
  }

  withdraw(host: InstanceSlots): void {
    this.pool.withdraw(host)
    this.#settle()
  }

  forget(host: InstanceSlots, why: string): void {
    this.pool.forget(host, why)
    this.#settle()
  }

  /** When the first promise expires, or a moment before; `Infinity`: there is none. */
  get firstExpiry(): number {
    return this.unserved === 0 ? Number.POSITIVE_INFINITY : this.#firstDate
  }

  /** Dates anew the promises whose date has passed, and answers the waits among them. */
  redate(now: number): SlotReservation[] {
    if (now < this.firstExpiry) return []
    this.#firstDate = Number.POSITIVE_INFINITY
    const dates = this.#dates()
    const expired: SlotReservation[] = []
    let position = 0
    for (const reservation of this.waiting) {
      if (reservation.readyAt <= now) expired.push(reservation)
      this.#redate(reservation, position++, now, dates)
    }
    for (let reservation = this.#promised.first; reservation !== undefined; reservation = reservation.next) {
      this.#redate(reservation, position++, now, dates)
    }
    return expired
  }

  #redate(reservation: SlotReservation, position: number, now: number, dates: PromiseDates): void {
    if (reservation.readyAt <= now) this.#date(reservation, position, dates)
    else this.#firstDate = Math.min(this.#firstDate, reservation.readyAt)
  }

  /** Restores what the class promises after slots came or went. */
  #settle(): void {
    while (this.waiting.size > 0 && this.pool.available > 0 && this.#serve()) {}
    while (this.#held.size > this.pool.available) {
      const reservation = this.#held.last!
      this.#held.remove(reservation)
      this.#date(reservation, this.waiting.size)
      this.#promised.prepend(reservation)
    }
    while (this.#promised.size > 0 && this.#held.size < this.pool.available) {
      const reservation = this.#promised.first!
      this.#promised.remove(reservation)
      reservation.kind = 'slot'
      reservation.readyAt = 0
      this.#held.append(reservation)
    }
  }

  /** The first of those that wait whom a free slot suits gets it. Whether there was one. */
  #serve(): boolean {
    const needs = new InstanceNeeds(this.#slotsPerInstance)
    for (const reservation of this.waiting) {
      const acquisition = this.pool.take(reservation, needs.add(reservation, this.#room))
      if (acquisition === undefined) continue
      this.#endWait(reservation).resolve(acquisition)
      return true
    }
    return false
  }

  /** Of one that does not wait yet. */
  #isLabelOnly(reservation: SlotReservation): boolean {
    if (reservation.labelOnly !== 'if_room') return reservation.labelOnly
    const needs = new InstanceNeeds(this.#slotsPerInstance)
    for (const other of this.waiting) {
      if (other.priority < reservation.priority) break
      needs.add(other, this.#room)
    }
    return needs.add(reservation, this.#room)
  }

  /** The last of those that hold a slot for a job that may never come is promised one instead. */
  #displace(): void {
    let last = this.#held.last
    while (last !== undefined && !last.speculative) last = last.previous
    if (last === undefined) return
    this.#held.remove(last)
    this.#date(last, this.waiting.size)
    this.#promised.prepend(last)
  }

  #date(reservation: SlotReservation, position: number, dates: PromiseDates = this.#dates()): void {
    reservation.kind = 'promised'
    reservation.readyAt = dates(position)
    this.#firstDate = Math.min(this.#firstDate, reservation.readyAt)
  }

  #close(reservation: SlotReservation): void {
    if (reservation.kind === 'slot') this.#held.remove(reservation)
    else this.#promised.remove(reservation)
    if (!reservation.speculative) this.reserved--
    reservation.state = 'ended'
  }

  #endWait(reservation: SlotReservation): Wait {
    const wait = reservation.wait!
    this.waiting.remove(reservation)
    if (reservation.labelOnly !== false) this.waitingForLabel--
    wait.unlisten()
    reservation.wait = undefined
    reservation.state = 'ended'
    return wait
  }
}

/** How many new instances those need that wait for a slot of their label, in the order in which they are served. */
class InstanceNeeds {
  readonly #slotsPerInstance: number
  readonly #jobs = new Map<string, number>()
  #instances = 0

  constructor(slotsPerInstance: number) {
    this.#slotsPerInstance = slotsPerInstance
  }

  /** The next of them. Whether it waits rather than get a slot of another label. */
  add({ label, labelOnly }: SlotReservation, room: number): boolean {
    if (labelOnly === false || label === undefined) return false
    const jobs = this.#jobs.get(label) ?? 0
    this.#jobs.set(label, jobs + 1)
    if (jobs % this.#slotsPerInstance === 0) this.#instances++
    return labelOnly === true || this.#instances <= room
  }
}
