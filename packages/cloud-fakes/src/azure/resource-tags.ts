export type Tags = Readonly<Record<string, string>>

/**
 * What Azure allows: learn.microsoft.com/azure/azure-resource-manager/management/tag-resources; the sum of all
 * characters is a virtual machine's and a scale set's own, from memory.
 */
const most = { tags: 50, nameCharacters: 512, valueCharacters: 256, characters: 2048 }

/** Why Azure would refuse these tags; undefined when it takes them. Names that differ only in capitals are one. */
export function tagsRefusal(tags: unknown): string | undefined {
  if (typeof tags !== 'object' || tags === null || Array.isArray(tags)) return 'The tags must be an object.'
  const entries = Object.entries(tags as Readonly<Record<string, unknown>>)
  if (entries.length > most.tags) return `The tags are ${entries.length}, and at most ${most.tags} are allowed.`
  if (new Set(entries.map(([name]) => name.toLowerCase())).size < entries.length)
    return 'Tag names differ only in capitals.'
  let characters = 0
  for (const [name, value] of entries) {
    if (name === '' || name.length > most.nameCharacters || /[<>%&\\?/]|^(azure|microsoft|windows)/i.test(name))
      return `The tag name '${name}' is invalid.`
    if (typeof value !== 'string' || value.length > most.valueCharacters)
      return `The value of tag '${name}' is invalid.`
    characters += name.length + value.length
  }
  return characters > most.characters
    ? `The tags have ${characters} characters, and at most ${most.characters} are allowed.`
    : undefined
}
