import { type Instance, isUsable } from '@runner-core/fleeting/provisioner'
import type { Allocator } from './allocator.ts'
import { InstanceSlots, type SlotLimits } from './instance-slots.ts'
import type { SlotAcquisition } from './slot-acquisition.ts'
import type { KeptUsage } from './usage-records.ts'

/** Whoever brought an instance there: what ran on it has ended. */
const endingStates: ReadonlySet<Instance['state']> = new Set([
  'suspending',
  'suspended',
  'resuming',
  'deleting',
  'deleted',
])

/**
 * Every instance that the provisioner knows, with its slots. Whether they may be lent follows from what is known at the
 * moment, and from nothing else: it can be told the same thing twice, late, or only now and then.
 */
export class FleetSlots {
  /** Instances that will probably have slots to lend soon. */
  readonly coming: Set<InstanceSlots> = new Set()
  /** Instances that get no more jobs and wait for their removal. */
  readonly condemned: Set<InstanceSlots> = new Set()
  readonly #hosts = new Map<string, InstanceSlots>()
  readonly #limits: SlotLimits
  readonly #allocator: Allocator
  readonly #prove: (host: InstanceSlots) => void
  readonly #warm: (host: InstanceSlots) => void
  /** By instance, what an earlier process knew of it; until it is noted. */
  #uses: ReadonlyMap<string, number> = new Map()
  #condemned: ReadonlyMap<string, string> = new Map()
  #labels: ReadonlyMap<string, string> = new Map()

  /**
   * `prove` begins to find out whether an instance is ready; {@link judge} is called once its `proof` is another.
   * `warm` begins to warm one that is, and sets whether it is held meanwhile.
   */
  constructor(
    limits: SlotLimits,
    allocator: Allocator,
    prove: (host: InstanceSlots) => void,
    warm: (host: InstanceSlots) => void = () => {},
  ) {
    this.#limits = limits
    this.#allocator = allocator
    this.#prove = prove
    this.#warm = warm
  }

  get(id: string): InstanceSlots | undefined {
    return this.#hosts.get(id)
  }

  hosts(): Iterable<InstanceSlots> {
    return this.#hosts.values()
  }

  /**
   * What an earlier process kept: use counts, labels, and the slots that stay lent, as acquisitions. Called once,
   * before anything is noted; answers those whose instance is there.
   */
  restore(
    { uses, condemned, labels, lent }: Pick<KeptUsage, 'uses' | 'condemned' | 'labels' | 'lent'>,
    instances: ReadonlyMap<string, Instance>,
    now: number,
  ): SlotAcquisition[] {
    this.#uses = uses
    this.#condemned = condemned
    this.#labels = labels
    const restored: SlotAcquisition[] = []
    for (const slot of lent) {
      const instance = instances.get(slot.instanceId)
      if (instance === undefined) continue
      let host = this.#hosts.get(instance.id)
      if (host === undefined) {
        host = this.#newHost(instance)
        this.#hosts.set(instance.id, host)
      }
      restored.push(this.#allocator.pool.restore(host, slot))
    }
    for (const host of this.#hosts.values()) this.judge(host, now)
    this.sync(instances, now)
    return restored
  }

  /** Takes the whole truth over. */
  sync(instances: ReadonlyMap<string, Instance>, now: number): void {
    for (const instance of instances.values()) {
      if (this.#hosts.get(instance.id)?.instance !== instance) this.note(instance, now)
    }
    if (this.#hosts.size === instances.size) return
    for (const id of this.#hosts.keys()) if (!instances.has(id)) this.gone(id)
  }

  /** An instance is new or has changed. */
  note(instance: Instance, now: number): void {
    let host = this.#hosts.get(instance.id)
    if (host === undefined) {
      host = this.#newHost(instance)
      this.#hosts.set(instance.id, host)
    }
    host.instance = instance
    this.judge(host, now)
  }

  /** One that did jobs before has proven that it can. */
  #newHost(instance: Instance): InstanceSlots {
    const host = new InstanceSlots(instance, this.#limits)
    host.useCount = this.#uses.get(instance.id) ?? 0
    if (host.useCount > 0) host.proof = 'proven'
    host.condemnedFor = this.#condemned.get(instance.id)
    const label = this.#labels.get(instance.id)
    if (label !== undefined) host.settleLabel(label)
    return host
  }

  /** An instance does not exist any more. */
  gone(id: string): void {
    const host = this.#hosts.get(id)
    if (host === undefined) return
    this.#hosts.delete(id)
    this.coming.delete(host)
    this.condemned.delete(host)
    host.giveUpCheck()
    host.giveUpWarmUp()
    this.#allocator.forget(host, 'it no longer exists')
  }

  /** It gets no more jobs, and goes when it is empty. The first reason stays. */
  condemn(host: InstanceSlots, reason: string, now: number): void {
    host.condemnedFor ??= reason
    this.judge(host, now)
  }

  /** Draws the consequences of what is known about an instance. */
  judge(host: InstanceSlots, now: number): void {
    if (endingStates.has(host.instance.state)) this.#allocator.forget(host, `it is ${host.instance.state}`)
    host.condemnedFor ??= this.#verdict(host)
    const isWanted = !host.isLeaving && host.condemnedFor === undefined
    if (!isWanted) host.giveUpCheck()
    if (host.isLeaving) host.giveUpWarmUp()
    if (isWanted && isUsable(host.instance) && host.proof === 'proven') {
      if (!host.hasWarmed) this.#warm(host)
      this.#allocator.offer(host, now)
    } else this.#allocator.withdraw(host)
    this.#sort(host)
    if (isWanted && isUsable(host.instance) && host.proof === 'none') this.#prove(host)
  }

  /** Reads everything anew: an offer may have used the instance up. */
  #sort(host: InstanceSlots): void {
    const isCondemned = host.condemnedFor !== undefined && !host.isLeaving
    keep(this.condemned, host, isCondemned)
    keep(this.coming, host, !isCondemned && !host.isLeaving && !host.offered && isAlive(host.instance))
  }

  #verdict({ instance, proof, isLeaving, usedUp }: InstanceSlots): string | undefined {
    if (isLeaving || instance.cause === 'unexpected') return undefined
    if (usedUp) return 'it has reached max_use_count'
    if (instance.interruptedAt !== undefined) return 'the cloud announced an interruption'
    if (endingStates.has(instance.state)) return `it was suspended from outside, it is ${instance.state}`
    if (instance.cause === 'adopted' && proof === 'none' && this.#limits.uses !== Number.POSITIVE_INFINITY) {
      return 'it existed before, and its use count is unknown'
    }
    return undefined
  }
}

/**
 * One of ours that is only missing from the list counts as alive: it is looked for, and nothing is made in its place
 * meanwhile.
 */
function isAlive({ state, cause, failing, interruptedAt }: Instance): boolean {
  return (
    (state === 'creating' || state === 'running') &&
    cause !== 'unexpected' &&
    failing === undefined &&
    interruptedAt === undefined
  )
}

function keep<T>(set: Set<T>, item: T, isMember: boolean): void {
  if (isMember) set.add(item)
  else set.delete(item)
}
