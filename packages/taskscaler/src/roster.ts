import { type Instance, isUsable } from '@runner-core/fleeting'
import type { Allocator } from './allocator.ts'
import { InstanceSlots, type SlotLimits } from './instance-slots.ts'

/** Whoever brought an instance there: what ran on it has ended. */
const endingStates: ReadonlySet<Instance['state']> = new Set(['suspending', 'suspended', 'resuming', 'deleting', 'deleted'])

/**
 * Every instance that the provisioner knows, with its slots, and which of them may be lent. It only compares what is with what it knew: it can be told the same thing twice, or only now and then.
 */
export class Roster {
  /** Instances that will probably have slots to lend soon. */
  readonly coming: Set<InstanceSlots> = new Set()
  readonly condemned: Set<InstanceSlots> = new Set()
  readonly #hosts = new Map<string, InstanceSlots>()
  readonly #limits: SlotLimits
  readonly #allocator: Allocator
  readonly #prove: (host: InstanceSlots) => void

  /** `prove` starts to find out whether an instance is ready; {@link ready} or {@link condemn} is called with the answer. */
  constructor(limits: SlotLimits, allocator: Allocator, prove: (host: InstanceSlots) => void) {
    this.#limits = limits
    this.#allocator = allocator
    this.#prove = prove
  }

  get(id: string): InstanceSlots | undefined {
    return this.#hosts.get(id)
  }

  get size(): number {
    return this.#hosts.size
  }

  hosts(): Iterable<InstanceSlots> {
    return this.#hosts.values()
  }

  /** Takes the whole truth over. */
  sync(instances: ReadonlyMap<string, Instance>, now: number): void {
    for (const instance of instances.values()) {
      if (this.#hosts.get(instance.id)?.instance !== instance) this.note(instance, now)
    }
    if (this.#hosts.size === instances.size) return
    for (const host of this.#hosts.values()) if (!instances.has(host.id)) this.gone(host.id)
  }

  /** An instance is new or has changed. */
  note(instance: Instance, now: number): void {
    let host = this.#hosts.get(instance.id)
    if (host === undefined) {
      host = new InstanceSlots(instance, this.#limits)
      this.#hosts.set(instance.id, host)
    }
    host.instance = instance
    const ends = endingStates.has(instance.state)
    if (ends) this.#allocator.forget(host, `it is ${instance.state}`)
    if (instance.removal !== undefined || instance.state === 'deleting' || instance.state === 'deleted') this.#leave(host)
    else if (ends) this.condemn(host, `somebody else suspended it, it is ${instance.state}`)
    else if (isUsable(instance)) this.#use(host, now)
    else this.#allocator.withdraw(host)
    this.#judgeComing(host)
  }

  /** An instance does not exist any more. */
  gone(id: string): void {
    const host = this.#hosts.get(id)
    if (host === undefined) return
    this.#hosts.delete(id)
    this.#leave(host)
    this.#judgeComing(host)
    this.#allocator.forget(host, 'it does not exist any more')
  }

  /** It was proven ready. */
  ready(host: InstanceSlots, now: number): void {
    if (host.phase !== 'checking') return
    host.phase = 'ready'
    if (isUsable(host.instance)) this.#allocator.offer(host, now)
    this.#judgeComing(host)
  }

  /** It gets no more jobs, and goes when it is empty. */
  condemn(host: InstanceSlots, reason: string): void {
    if (host.phase === 'condemned' || host.phase === 'leaving') return
    host.phase = 'condemned'
    host.check?.abort()
    host.condemnedFor = reason
    this.condemned.add(host)
    this.#allocator.withdraw(host)
    this.#judgeComing(host)
  }

  #use(host: InstanceSlots, now: number): void {
    if (host.phase === 'ready') {
      this.#allocator.offer(host, now)
    } else if (host.phase === 'new' && host.instance.cause === 'adopted' && this.#limits.uses !== Number.POSITIVE_INFINITY) {
      this.condemn(host, 'it was there before, and how often it was used is not known')
    } else if (host.phase === 'new') {
      host.phase = 'checking'
      this.#prove(host)
    }
  }

  #leave(host: InstanceSlots): void {
    host.phase = 'leaving'
    host.check?.abort()
    this.condemned.delete(host)
    this.#allocator.withdraw(host)
  }

  /** One that the last list missed counts as coming: the next list decides, and nothing is made in its place meanwhile. */
  #judgeComing(host: InstanceSlots): void {
    const { state, failing, interruptedAt } = host.instance
    const alive = (state === 'creating' || state === 'running') && failing === undefined && interruptedAt === undefined
    const isComing = alive && !host.offered && host.phase !== 'condemned' && host.phase !== 'leaving'
    if (isComing) this.coming.add(host)
    else this.coming.delete(host)
  }
}
