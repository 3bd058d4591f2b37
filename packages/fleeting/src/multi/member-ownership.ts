import { asGroupError, GroupError } from '../contract/errors.ts'
import type { GroupOwner } from '../contract/group-owner.ts'
import type { InstanceGroup } from '../contract/instance-group.ts'
import type { Logger } from '../contract/logger.ts'
import { relationOf } from '../provisioner/ownership.ts'
import { combineRefusals } from './choose-members.ts'
import { ownerName, ownId } from './fleet-id.ts'
import type { GroupMember } from './group-member.ts'

/** Whose the members of a multi group are: each that can hold a note has its own. */
export class MemberOwnership {
  readonly #members: () => readonly GroupMember[]
  readonly #logger: Logger
  #owner: GroupOwner | undefined

  constructor(members: () => readonly GroupMember[], logger: Logger) {
    this.#members = members
    this.#logger = logger
  }

  /** Of members that were read, or of those that have these instances. */
  async owners(signal: AbortSignal, ids?: readonly string[]): Promise<readonly GroupOwner[]> {
    const owners = this.#readable()
      .map(
        (member) =>
          [member, ids?.filter((id) => ownerName(id) === member.name).map((id) => ownId(member.name, id))] as const,
      )
      .filter(([, own]) => own === undefined || own.length > 0)
      .map(([member, own]) =>
        member.call('owners', signal, async (group, limit) => (canHold(group) ? group.owners(limit, own) : [])),
      )
    return (await Promise.all(owners)).flat()
  }

  /** One whose note may not be written on is worked with all the same, as it would be alone. */
  async claim(owner: GroupOwner | undefined, signal: AbortSignal): Promise<void> {
    this.#owner = owner
    const members = this.#readable()
    const outcomes = await Promise.allSettled(
      members.map((member) =>
        member.call('claim', signal, async (group, limit) => (canHold(group) ? group.claim(owner, limit) : undefined)),
      ),
    )
    const failures = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [asGroupError(outcome.reason)] : [],
    )
    if (failures.some(({ code }) => code !== 'auth') || failures.length === members.length)
      throw combineRefusals(failures)
    for (const error of failures)
      this.#logger.warn({ err: error }, 'group cannot be claimed, so another manager is not noticed')
  }

  /**
   * A member that joins a fleet which has its group already is claimed as the others were. Thrown: `conflict`, when it
   * is another's.
   */
  async join(group: InstanceGroup, signal: AbortSignal): Promise<void> {
    const owner = this.#owner
    if (owner === undefined || !canHold(group)) return
    const other = (await group.owners(signal)).find((found) => ['other', 'later'].includes(relationOf(found, owner)))
    if (other !== undefined)
      throw new GroupError('conflict', `it belongs to ${other.name} (owner ${other.id}); see take_over_group`)
    await group.claim(owner, signal).catch((error: unknown) => {
      if (asGroupError(error).code !== 'auth') throw error
    })
  }

  #readable(): readonly GroupMember[] {
    return this.#members().filter(({ info }) => info !== undefined)
  }
}

function canHold(group: InstanceGroup): group is InstanceGroup & Required<Pick<InstanceGroup, 'owners' | 'claim'>> {
  return group.owners !== undefined && group.claim !== undefined
}
