import type { GroupOwner } from '../contract/group-owner.ts'

export interface GroupOwnedOptions {
  readonly groupId: string
  /** Who has the group; absent: nobody says so, and its instances are none that our state knows. */
  readonly owner?: GroupOwner
  readonly message: string
}

/**
 * Thrown by a start when another owner has the group, or when its instances could be another's; and what fences a
 * provisioner whose group has got another owner. It acts on nothing then.
 */
export class GroupOwnedError extends Error {
  override readonly name = 'GroupOwnedError'
  readonly code = 'group_owned'
  readonly groupId: string
  readonly owner: GroupOwner | undefined

  constructor({ groupId, owner, message }: GroupOwnedOptions) {
    super(message)
    this.groupId = groupId
    this.owner = owner
  }
}
