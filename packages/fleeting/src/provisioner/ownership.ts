import { randomUUID } from 'node:crypto'
import { type Clock, delay } from '../contract/clock.ts'
import { asGroupError, GroupError } from '../contract/errors.ts'
import { describeOwner, type GroupOwner } from '../contract/group-owner.ts'
import type { InstanceGroup } from '../contract/instance-group.ts'
import type { Logger } from '../contract/logger.ts'
import type { FleetLease, StateRecord } from '../state/state-store.ts'
import type { GroupCaller } from './calls/group-caller.ts'
import { GroupOwnedError } from './group-owned-error.ts'
import type { IntentJournal } from './intent-journal.ts'
import type { OwnerOptions } from './options.ts'

/** Who we are to a group that can hold an owner. */
export interface OwnerIdentity {
  readonly id: string
  readonly epoch: number
}

/**
 * What an owner on the group is to us: `ours` this very process wrote it · `earlier` a process of ours that is over
 * did, or is about to be · `later` one of ours that has come after us, so that we are over · `other` somebody else.
 */
export type OwnerRelation = 'ours' | 'earlier' | 'later' | 'other'

export function relationOf(owner: GroupOwner, { id, epoch }: OwnerIdentity): OwnerRelation {
  if (owner.id !== id) return 'other'
  if (owner.epoch === epoch) return 'ours'
  return owner.epoch < epoch ? 'earlier' : 'later'
}

/** How often a claim is read back until it shows, and the time between, milliseconds. */
const maxReads = 5
const readPauseMs = 1000

const ownerRecord = { kind: 'fleet', key: 'owner' } as const

/** The identity that the state has had since its first start. */
function journalledOwnerId(records: readonly StateRecord[]): string | undefined {
  const record = records.find(({ kind, key }) => kind === ownerRecord.kind && key === ownerRecord.key)
  const { id } = Object(record?.value) as { readonly id?: unknown }
  return typeof id === 'string' ? id : undefined
}

export interface OwnershipOptions {
  readonly group: InstanceGroup
  readonly groupId: string
  readonly owner: OwnerOptions
  /** The caller's, which keeps our identity; absent: there is none. */
  readonly lease: FleetLease | undefined
  readonly records: readonly StateRecord[]
  readonly caller: GroupCaller
  readonly intents: IntentJournal
  readonly clock: Clock
  readonly logger: Logger
}

/** What a start has found. */
export interface GroupContent {
  /** Instances that `list` shows. */
  readonly instances: number
  /** Whether the state says which of them are ours. */
  readonly isJournalled: boolean
}

/** Keeps a group for one owner: claims it at the start, and looks who has it before instances are deleted. */
export class Ownership {
  readonly #options: OwnershipOptions
  /** Undefined before the claim, and where the group holds no owner or we have no identity. */
  #claimed: GroupOwner | undefined

  constructor(options: OwnershipOptions) {
    this.#options = options
  }

  /**
   * Makes the group ours. Thrown: {@link GroupOwnedError}, when it is another's, or cannot be told to be ours; what the
   * group or the lease throws.
   */
  async take(content: GroupContent, signal: AbortSignal): Promise<void> {
    const { owner: wanted, lease } = this.#options
    const { mayTake = 'unowned' } = wanted
    const found = await this.#read(signal)
    const id = (await this.#keptId()) ?? wanted.id
    const own = new Set([id, wanted.id])
    const epochs = found.flatMap((owner) => (owner.id === id ? [owner.epoch] : []))
    const epoch = lease?.epoch ?? Math.max(0, ...epochs) + 1
    for (const owner of found) {
      if (own.has(owner.id) && !(owner.id === id && owner.epoch > epoch)) continue
      if (mayTake !== 'any') throw this.#owned(owner)
      this.#options.logger.warn({ group: this.#options.groupId, owner }, 'group taken from its owner')
    }
    if (found.length === 0 && mayTake === 'own' && content.instances > 0 && !content.isJournalled)
      throw this.#unknown(content.instances)
    if (id !== undefined)
      await this.#claim({ id, epoch, name: wanted.name ?? 'a fleet without a name', since: 0 }, signal)
    await this.#confirm(signal)
  }

  /**
   * Reads back what was claimed: a read of the cloud may be older than the write before it, and whoever has claimed in
   * the same moment may have come last. Thrown: {@link GroupOwnedError}.
   */
  async #confirm(signal: AbortSignal): Promise<void> {
    const claimed = this.#claimed
    if (claimed === undefined) return
    for (let reads = 1; ; reads += 1) {
      const found = await this.#read(signal)
      const stranger = found.find((owner) => relationOf(owner, claimed) !== 'ours')
      if (found.length > 0 && stranger === undefined) return
      if (reads === maxReads) {
        this.#claimed = undefined
        if (stranger !== undefined) throw this.#owned(stranger)
        throw new GroupError('conflict', `${this.#options.groupId} does not show its owner`)
      }
      await delay(this.#options.clock, readPauseMs, signal)
    }
  }

  /** Who has the group now; undefined where it holds no owner. Thrown: what the group throws. */
  async owners(signal: AbortSignal): Promise<readonly GroupOwner[] | undefined> {
    return this.#canHold ? this.#read(signal) : undefined
  }

  /**
   * Whether the group is still ours, of the members that have these instances. Rejects with a {@link GroupOwnedError}
   * when it has got another owner. An owner that has gone, or an earlier one of ours, is written over.
   */
  async look(ids: readonly string[]): Promise<void> {
    const claimed = this.#claimed
    if (claimed === undefined) return
    const found = await this.#read(undefined, ids)
    const relations = found.map((owner) => [owner, relationOf(owner, claimed)] as const)
    const [other] = relations.find(([, relation]) => relation === 'other' || relation === 'later') ?? []
    if (other !== undefined) throw this.#lost(other)
    if (found.length === 0 || relations.some(([, relation]) => relation === 'earlier')) await this.#claim(claimed)
  }

  /** Nothing of ours is left: whoever comes next may have the group. Never rejects. */
  async release(signal: AbortSignal): Promise<void> {
    const { group, caller, logger } = this.#options
    const claimed = this.#claimed
    if (claimed === undefined) return
    try {
      const found = await this.#read(signal)
      if (found.every((owner) => relationOf(owner, claimed) === 'ours'))
        await caller.call('claim', (limit) => group.claim!(undefined, limit), signal)
    } catch (error) {
      logger.warn({ err: error }, 'the group still has us as its owner')
    }
  }

  /**
   * The identity of the state, made with the first start on a group that can hold it. Written before it is shown to
   * anybody.
   */
  async #keptId(): Promise<string | undefined> {
    const { lease, records, intents } = this.#options
    if (lease === undefined || !this.#canHold) return undefined
    const kept = journalledOwnerId(records)
    if (kept !== undefined) return kept
    const id = randomUUID()
    await intents.write(ownerRecord.kind, [[ownerRecord.key, { id }]])
    return id
  }

  get #canHold(): boolean {
    const { group } = this.#options
    return group.owners !== undefined && group.claim !== undefined
  }

  async #read(signal?: AbortSignal, ids?: readonly string[]): Promise<readonly GroupOwner[]> {
    const { group, caller } = this.#options
    if (!this.#canHold) return []
    return await caller.call('owners', (limit) => group.owners!(limit, ids), signal)
  }

  async #claim(owner: GroupOwner, signal?: AbortSignal): Promise<void> {
    const { group, caller, clock, logger, groupId } = this.#options
    if (!this.#canHold) return
    const claimed = { ...owner, since: clock.wallTime() }
    try {
      await caller.call('claim', (limit) => group.claim!(claimed, limit), signal)
      this.#claimed = claimed
    } catch (thrown) {
      const error = asGroupError(thrown)
      if (signal?.aborted === true || error.code !== 'auth') throw thrown
      logger.warn({ group: groupId, err: error }, 'group cannot be claimed, so another manager is not noticed')
    }
  }

  #owned(owner: GroupOwner): GroupOwnedError {
    const { groupId } = this.#options
    const message = `${groupId} belongs to ${describeOwner(owner)}: stop that manager, or, if it has ended for good, start once with take_over_group = true`
    return new GroupOwnedError({ groupId, owner, message })
  }

  #unknown(instances: number): GroupOwnedError {
    const { groupId, group } = this.#options
    const why = group.owners === undefined ? 'cannot hold an owner' : 'names no owner'
    const message = `${groupId} has ${instances} instances that are not in our state, and ${why}: remove them, or, if they are ours, start once with take_over_group = true`
    return new GroupOwnedError({ groupId, message })
  }

  #lost(owner: GroupOwner): GroupOwnedError {
    const { groupId } = this.#options
    return new GroupOwnedError({ groupId, owner, message: `${groupId} belongs to ${describeOwner(owner)} now` })
  }
}
