import type { Instance } from '@runner-core/fleeting/provisioner'
import { Contents } from './contents.ts'
import type { ListItem } from './intrusive-list.ts'

/** What every instance of a fleet can give. */
export interface SlotLimits {
  /** Jobs at the same time, ≥ 1: the most of any instance. */
  readonly capacity: number
  /** Jobs at the same time on an instance of a placement, where that is less. */
  readonly capacities?: Readonly<Record<string, number>> | undefined
  /** Jobs in its whole life, ≥ 1; `Infinity` when there is no limit. */
  readonly uses: number
}

/** Jobs at the same time on an instance of this placement: never more than the fleet's, whatever a group says. */
export function capacityOf(
  { capacity, capacities = {} }: Pick<SlotLimits, 'capacity' | 'capacities'>,
  placement: string | undefined,
): number {
  const own =
    placement !== undefined && Object.hasOwn(capacities, placement) ? Math.floor(capacities[placement]!) : capacity
  return own >= 1 ? Math.min(own, capacity) : capacity
}

/** A slot that is lent, as its instance knows it. */
export interface LentSlot {
  readonly slot: number
  readonly state: 'lent' | 'released' | 'lost'
  /** The instance is about to go. */
  end(): void
  /** The instance is gone. */
  lose(why: string): void
}

/** What is brought to an instance beside its jobs. */
export interface WarmUpRun {
  readonly title: string
  readonly since: number
  readonly controller: AbortController
  /** Whether it was told that the instance counts as ready. */
  isReadyTold: boolean
}

/**
 * One instance's slots: which are lent, and to whom. A slot is either in the stack of free ones or lent, never both.
 */
export class InstanceSlots implements ListItem<InstanceSlots> {
  next: InstanceSlots | undefined = undefined
  previous: InstanceSlots | undefined = undefined
  /** The instance as the provisioner last told. */
  instance: Instance
  readonly limits: SlotLimits
  inUse = 0
  /** Acquisitions so far, those under way included. */
  useCount = 0
  /** Since when nothing has run on it; meaningful while `inUse` is 0. */
  idleSince = 0
  /** Set by the pool: whether its free slots may be lent. */
  offered = false
  /** Whether it was shown to be ready: not yet tried, being tried, or proven. */
  proof: 'none' | 'trying' | 'proven' = 'none'
  /** The try that is under way. */
  check: AbortController | undefined = undefined
  /** What is being brought to it now. */
  warmUp: WarmUpRun | undefined = undefined
  /** Whether that has begun: it does once in a process. */
  hasWarmed = false
  /** Whether its slots are lent only where no other is free, since it warms and has had no job. */
  isHeld = false
  readonly contents: Contents = new Contents()
  /** Of the first labelled job that had a connection to it; for its life. Until then of the job that has a slot. */
  label: string | undefined = undefined
  /** Whether a labelled job had a connection: before, nothing of it can be there. */
  isLabelFinal = false
  /** Why it gets no more jobs and goes when it is empty. */
  condemnedFor: string | undefined = undefined
  readonly #lent: (LentSlot | undefined)[]
  /** Free slots, the one to be lent next at the end: the slot given back last has the warmest connection. */
  readonly #free: number[] = []

  constructor(instance: Instance, limits: SlotLimits) {
    this.instance = instance
    this.limits = { ...limits, capacity: capacityOf(limits, instance.placement) }
    this.#lent = Array.from({ length: this.limits.capacity })
    for (let slot = this.limits.capacity - 1; slot >= 0; slot--) this.#free.push(slot)
  }

  get id(): string {
    return this.instance.id
  }

  /** Slots that could be lent now if the instance is offered: those free, but no more than it has uses left. */
  get lendable(): number {
    return Math.max(0, Math.min(this.limits.capacity - this.inUse, this.limits.uses - this.useCount))
  }

  /** Its removal was decided, or somebody else takes it away. */
  get isLeaving(): boolean {
    const { removal, state } = this.instance
    return removal !== undefined || state === 'deleting' || state === 'deleted'
  }

  get usedUp(): boolean {
    return this.useCount >= this.limits.uses
  }

  giveUpCheck(): void {
    const { check } = this
    this.check = undefined
    check?.abort()
  }

  giveUpWarmUp(): void {
    const { warmUp } = this
    this.warmUp = undefined
    warmUp?.controller.abort()
  }

  settleLabel(label: string): void {
    if (this.isLabelFinal) return
    this.label = label
    this.isLabelFinal = true
  }

  /** Takes a free slot; the caller made sure that one is lendable. */
  takeSlot(): number {
    this.inUse++
    this.useCount++
    return this.#free.pop()!
  }

  /** A slot that an earlier process lent; one beyond the capacity was lent when that was larger. */
  restoreSlot(slot: number): void {
    this.inUse++
    const index = this.#free.indexOf(slot)
    if (index >= 0) this.#free.splice(index, 1)
  }

  lend(acquisition: LentSlot): void {
    this.#lent[acquisition.slot] = acquisition
  }

  giveBack(slot: number): void {
    this.#lent[slot] = undefined
    if (slot < this.limits.capacity) this.#free.push(slot)
    this.inUse--
    if (this.inUse === 0 && !this.isLabelFinal) this.label = undefined
  }

  /** Acquisitions under way. */
  lent(): LentSlot[] {
    return this.#lent.filter((acquisition) => acquisition !== undefined)
  }
}
