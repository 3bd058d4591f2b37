import { quote } from './quote.ts'

/**
 * Shell text that does the same as `text`, and costs next to nothing where it is not run: a shell reads a quoted word
 * faster than it parses commands.
 */
export function rarely(text: string): string {
  return `eval ${quote(text)}`
}
