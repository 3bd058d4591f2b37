import { createHash, randomBytes } from 'node:crypto'
import type { Connection } from '@runner-core/fleeting'
import type { HeldSlot, SlotClaim } from '@runner-core/job'

export interface SlotClaimsOptions {
  /** Of those managers that use the slots of the same machines one after the other: it never reaches a machine. */
  readonly identity: string
  /** Tells managers of one identity apart, and is the same after a restart. */
  readonly manager: string
  /** Whether only one process at a time can have the slots, since a lease says so. */
  readonly isExclusive: boolean
}

/** What this process claims on machines: see `SlotClaim`. One for all executors that share an identity. */
export class SlotClaims {
  readonly #identity: string
  readonly #manager: string
  readonly #run = randomBytes(6).toString('hex')
  readonly #isExclusive: boolean
  /** Of the instance that a connection leads to: it serves many jobs. */
  readonly #owners = new WeakMap<Connection, { readonly instanceId: string; readonly owner: string }>()
  /** Values of the markers of jobs that have a place. */
  readonly #active = new Set<string>()

  constructor({ identity, manager, isExclusive }: SlotClaimsOptions) {
    this.#identity = identity
    this.#manager = digest(manager)
    this.#isExclusive = isExclusive
  }

  /**
   * See `SlotClaim.owner`. Instances may share a machine: each has slots of its own there, and those of a host that is
   * lent again stay the same.
   */
  ownerOn(connection: Connection, instanceId: string): string {
    const known = this.#owners.get(connection)
    if (known?.instanceId === instanceId) return known.owner
    const owner = digest(`${this.#identity}\n${connection.machine ?? instanceId}`)
    this.#owners.set(connection, { instanceId, owner })
    return owner
  }

  claim(connection: Connection, instanceId: string, slot: number): SlotClaim {
    return { owner: this.ownerOn(connection, instanceId), slot, manager: this.#manager, run: this.#run }
  }

  begin(marker: string): void {
    this.#active.add(marker)
  }

  end(marker: string): void {
    this.#active.delete(marker)
  }

  /** Whether a job that has a place now holds a slot. */
  isActive({ marker }: HeldSlot): boolean {
    return this.#active.has(marker)
  }

  /**
   * Whether what holds a slot may be ended: no living manager can need it. One whose connection is open may be another
   * process's.
   */
  mayEnd({ manager, run, shell }: HeldSlot): boolean {
    return this.#isExclusive || run === this.#run || (manager === this.#manager && shell !== 'connected')
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
