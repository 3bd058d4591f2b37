import { closest, distance } from 'fastest-levenshtein'

/** `expected …, got …` for a key that nothing knows, with the known key that was probably meant. */
export function unknownKeyMessage(key: string, known: readonly string[]): string {
  const message = 'expected a known key, got an unknown one'
  if (known.length === 0) return message
  const nearest = closest(key, known)
  return distance(key, nearest) <= Math.max(2, Math.floor(nearest.length / 3))
    ? `${message}; did you mean ${nearest}?`
    : message
}
