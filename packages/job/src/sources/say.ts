import { quote } from '../script/quote.ts'

/** A command that says in the trace what is done next. */
export function say(text: string): string {
  return `printf '%s\\n' ${quote(`\x1b[32;1m${text}\x1b[0;m`)}`
}
