import { type GroupOwner, ownerTag, readOwner, writtenOwner } from '@runner-core/fleeting'

const note = new RegExp(`\\s*\\[${ownerTag}: ([^\\]]*)\\]`, 'g')

/** The owners that a group's description names, among what people have written there. */
export function ownersOf(description: string): readonly GroupOwner[] {
  return [...description.matchAll(note)].flatMap(([, written]) => readOwner(written) ?? [])
}

/** The description with this owner, or with none, and with what people have written there. */
export function describedWith(description: string, owner: GroupOwner | undefined): string {
  const rest = description.replaceAll(note, '')
  return owner === undefined ? rest : `${rest} [${ownerTag}: ${writtenOwner(owner)}]`.trimStart()
}
