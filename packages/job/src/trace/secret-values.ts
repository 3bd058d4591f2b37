/**
 * Lines of a secret that are shorter than this are not masked on their own. GitLab asks as much of a masked variable.
 */
const shortestLineBytes = 8

/**
 * What to look for so that `secret` cannot be read in a trace: its value without the white space around it, and, where
 * it has several lines, each line that is long enough to be a secret itself. Tools indent, number and cut what they
 * print by lines, and terminals turn the line ends round; the value as a whole would then no longer be found. Empty
 * where nothing is left.
 */
export function secretPatterns(secret: string): string[] {
  const whole = secret.trim()
  if (whole === '') return []
  const lines = whole.split(/\r?\n|\r/)
  if (lines.length === 1) return [whole]
  return [whole, ...lines.map((line) => line.trim()).filter((line) => Buffer.byteLength(line) >= shortestLineBytes)]
}
