// Control characters of both sets, line ends of Unicode, and what turns the direction of text.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g
const short: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

/**
 * A text of others in one line of a log: nothing in it begins another line, or tells a terminal what to do. What is
 * escaped is so as in JSON.
 */
export function printable(text: string): string {
  return text.replaceAll(
    unprintable,
    (character) => short.get(character) ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
