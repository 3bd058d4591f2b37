import type { Clock } from '@runner-core/fleeting'
import type { InstanceSlots, SlotLimits } from './instance-slots.ts'
import { IntrusiveList } from './intrusive-list.ts'
import { type Lender, SlotAcquisition, type SlotOrigin } from './slot-acquisition.ts'

/** Instances that are looked at for one that has a content, at most. */
const looks = 1000

interface Choice {
  readonly host: InstanceSlots
  /** Whether another had been chosen, had it not been for the content. */
  readonly isForContent: boolean
}

/**
 * The slots that may be lent now. Instances lie in one list for each number of slots in use, so that the fullest one
 * that still has room is found at once, however many there are: packing jobs lets the others become empty, and go.
 * Among equals the one used last comes first; the list of empty ones is so ordered by how long they have been empty.
 *
 * Instances that warm and have had no job are apart, the one that began first first: they come after all others.
 *
 * Every operation costs the same for ten instances and for a hundred thousand, except that {@link SlotPool.take} looks
 * at the instances with a free slot, in this order, until one has the label and the content that are asked for; for a
 * content alone at {@link looks} of them.
 */
export class SlotPool {
  /** Slots that may be lent now. */
  available = 0
  /** Slots that are lent. */
  acquired = 0
  readonly #lender: Lender
  /** How many of those that are available are of instances that warm and have had no job. */
  warming = 0
  readonly #byUse: readonly IntrusiveList<InstanceSlots>[]
  readonly #held = new IntrusiveList<InstanceSlots>()
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

  /** Treats an instance like any other, since its warm-up has ended. */
  endHold(host: InstanceSlots, now: number): void {
    if (!host.isHeld) return
    if (host.offered) this.#remove(host)
    host.isHeld = false
    host.idleSince = now
    if (host.offered) this.#add(host)
  }

  /**
   * Lends a slot of the fullest instance; undefined when none is available. With a label: of the fullest one that has
   * it, or else of the fullest one that has none yet, or else, unless `labelOnly`, of any. Among these, with a content:
   * of the fullest one that has it, or else of any.
   */
  take(origin: SlotOrigin, labelOnly = false): SlotAcquisition | undefined {
    if (this.available === 0) return undefined
    while (this.#fullest > 0 && this.#byUse[this.#fullest]!.first === undefined) this.#fullest--
    const { label, content } = origin
    const choice = label === undefined && content === undefined ? undefined : this.#best(origin, labelOnly)
    if (choice === undefined && labelOnly) return undefined
    const host = choice?.host ?? this.#byUse[this.#fullest]!.first ?? this.#held.first!
    this.#remove(host)
    host.isHeld = false
    host.label ??= label
    const slot = host.takeSlot()
    const acquisition = new SlotAcquisition(host, slot, host.useCount, origin, this.#lender)
    acquisition.isForContent = choice?.isForContent ?? false
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

  /** Of all with a free slot, in the order in which they are lent from. */
  *#inOrder(): Generator<InstanceSlots> {
    for (let inUse = this.#fullest; inUse >= 0; inUse--)
      for (let host = this.#byUse[inUse]!.first; host !== undefined; host = host.next) yield host
    for (let host = this.#held.first; host !== undefined; host = host.next) yield host
  }

  #best({ label, content }: SlotOrigin, labelOnly: boolean): Choice | undefined {
    let best: InstanceSlots | undefined
    let [bestByLabel, bestHas] = [-1, false]
    /** Who had been chosen without the content. */
    let plain: InstanceSlots | undefined
    let seen = 0
    for (const host of this.#inOrder()) {
      if (label === undefined && ++seen > looks) break
      const byLabel = label === undefined || host.label === label ? 2 : host.label === undefined ? 1 : 0
      if (byLabel === 0 && labelOnly) continue
      const has = content !== undefined && host.contents.has(content)
      if (byLabel > bestByLabel) plain = host
      if (byLabel > bestByLabel || (byLabel === bestByLabel && has && !bestHas))
        [best, bestByLabel, bestHas] = [host, byLabel, has]
      if (byLabel === 2 && (has || content === undefined)) break
    }
    return best && { host: best, isForContent: best !== plain }
  }

  #add(host: InstanceSlots): void {
    const { lendable, inUse } = host
    if (lendable === 0) return
    this.available += lendable
    if (host.isHeld) {
      this.warming += lendable
      this.#held.append(host)
      return
    }
    this.#byUse[inUse]!.prepend(host)
    if (inUse > this.#fullest) this.#fullest = inUse
  }

  #remove(host: InstanceSlots): void {
    const { lendable } = host
    if (lendable === 0) return
    this.available -= lendable
    if (host.isHeld) {
      this.warming -= lendable
      this.#held.remove(host)
      return
    }
    this.#byUse[host.inUse]!.remove(host)
  }
}
