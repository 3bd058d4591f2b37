/** `T` as the SDK types an answer: any field may be absent, or null. */
export type Answer<T> = T extends readonly (infer Item)[]
  ? readonly Answer<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]?: Answer<T[Key]> | null | undefined }
    : T

/**
 * What an answer says, without what the SDK adds to each object: `_name: 'name'` for each field that is there, and
 * empty lists and maps for those that are not.
 */
export function told<T>(answer: Answer<T>): T {
  return copied(answer) as T
}

function copied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copied)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      isNothing(inner) || key === `_${String(inner)}` ? [] : [[key, copied(inner)]],
    ),
  )
}

function isNothing(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === null || value === undefined
  return Object.keys(value).length === 0
}
