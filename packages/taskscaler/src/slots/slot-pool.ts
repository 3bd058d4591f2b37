import type { Clock } from '@runner-core/fleeting'
import type { InstanceSlots, SlotLimits } from './instance-slots.ts'
import { IntrusiveList } from './intrusive-list.ts'
import { type Lender, SlotAcquisition, type SlotOrigin } from './slot-acquisition.ts'

/**
 * The slots that may be lent now. Instances lie in one list for each number of slots in use, so that the fullest one
 * that still has room is found at once, however many there are: packing jobs lets the others become empty, and go.
 * Among equals the one used last comes first; the list of empty ones is so ordered by how long they have been empty.
 *
 * Every operation costs the same for ten instances and for a hundred thousand, except that {@link SlotPool.take} with a
 * label looks at the instances with a free slot, from the fullest on, until one has the label.
 */
export class SlotPool {
  /** Slots that may be lent now. */
  available = 0
  /** Slots that are lent. */
  acquired = 0
  readonly #lender: Lender
  readonly #byUse: readonly IntrusiveList<InstanceSlots>[]
  /** No list above this one has an instance. */
  #fullest = 0

  constructor(limits: SlotLimits, lender: Lender) {
    this.#lender = lender
    this.#byUse = Array.from({ length: limits.capacity }, () => new IntrusiveList<InstanceSlots>())
  }

  /** Empty instances, the one that has been empty longest first. */
  *idle(): Generator<InstanceSlots> {
    for (let host = this.#byUse[0]!.last; host !== undefined; host = host.previous) yield host
  }

  /** From now on its slots may be lent. */
  offer(host: InstanceSlots, now: number): void {
    if (host.offered) return
    host.offered = true
    if (host.inUse === 0) host.idleSince = now
    this.#add(host)
  }

  /** From now on nothing more of it is lent; what is lent stays so. */
  withdraw(host: InstanceSlots): void {
    if (!host.offered) return
    this.#remove(host)
    host.offered = false
  }

  /**
   * Lends a slot of the fullest instance; undefined when none is available. With a label: of the fullest one that has
   * it, or else of the fullest one that has none yet, or else, unless `labelOnly`, of any.
   */
  take(origin: SlotOrigin, labelOnly = false): SlotAcquisition | undefined {
    if (this.available === 0) return undefined
    while (this.#byUse[this.#fullest]!.first === undefined) this.#fullest--
    const { label } = origin
    const preferred = label === undefined ? undefined : this.#fullestFor(label)
    if (preferred === undefined && labelOnly) return undefined
    const host = preferred ?? this.#byUse[this.#fullest]!.first!
    this.#remove(host)
    host.label ??= label
    const slot = host.takeSlot()
    const acquisition = new SlotAcquisition(host, slot, host.useCount, origin, this.#lender)
    this.acquired++
    this.#add(host)
    return acquisition
  }

  /** What an earlier process lent stays so. The host is not offered yet. */
  restore(
    host: InstanceSlots,
    { slot, useCount, key }: Pick<SlotAcquisition, 'slot' | 'useCount' | 'key'>,
  ): SlotAcquisition {
    host.restoreSlot(slot)
    this.acquired++
    return new SlotAcquisition(host, slot, useCount, { key }, this.#lender)
  }

  giveBack(acquisition: SlotAcquisition, clock: Clock): void {
    const { host } = acquisition
    if (host.offered) this.#remove(host)
    host.giveBack(acquisition.slot)
    if (host.inUse === 0) host.idleSince = clock.now()
    this.acquired--
    if (host.offered) this.#add(host)
  }

  /** The instance is gone, and with it what was lent. */
  forget(host: InstanceSlots, why: string): void {
    this.withdraw(host)
    for (const acquisition of host.lent()) {
      // Whoever was told of the one before may have released this one.
      if (acquisition.state !== 'lent') continue
      host.giveBack(acquisition.slot)
      this.acquired--
      acquisition.lose(why)
    }
  }

  #fullestFor(label: string): InstanceSlots | undefined {
    let withoutLabel: InstanceSlots | undefined
    for (let inUse = this.#fullest; inUse >= 0; inUse--) {
      for (let host = this.#byUse[inUse]!.first; host !== undefined; host = host.next) {
        if (host.label === label) return host
        if (host.label === undefined) withoutLabel ??= host
      }
    }
    return withoutLabel
  }

  #add(host: InstanceSlots): void {
    const { lendable, inUse } = host
    if (lendable === 0) return
    this.available += lendable
    this.#byUse[inUse]!.prepend(host)
    if (inUse > this.#fullest) this.#fullest = inUse
  }

  #remove(host: InstanceSlots): void {
    const { lendable } = host
    if (lendable === 0) return
    this.available -= lendable
    this.#byUse[host.inUse]!.remove(host)
  }
}
