/**
 * Thrown when two runners name the same instance group: each would remove the other's machines. No later try can heal
 * it, only another configuration.
 */
export class GroupTakenError extends Error {
  override readonly name = 'GroupTakenError'
  readonly code = 'group_taken'
  readonly groupId: string
  readonly owner: string

  constructor(groupId: string, owner: string) {
    super(`expected an instance group of its own, got ${groupId}, which runner ${owner} has`)
    this.groupId = groupId
    this.owner = owner
  }
}

/**
 * Which runner has which instance group, by the identity that the group told. What the configuration alone shows is
 * refused before.
 */
export class GroupClaims {
  readonly #owners = new Map<string, string>()

  /** The first runner that claims a group has it for good. Thrown: {@link GroupTakenError}. */
  claim(groupId: string, runner: string): void {
    const owner = this.#owners.get(groupId) ?? runner
    if (owner !== runner) throw new GroupTakenError(groupId, owner)
    this.#owners.set(groupId, runner)
  }
}
