import { loginDirectory } from '../build-paths.ts'

/**
 * `text` as one word of any POSIX shell, byte for byte. NUL is the only character it cannot carry. Where
 * {@link loginDirectory} stands in it, the shell inserts its `$1`: the generated script keeps that directory there.
 */
export function quote(text: string): string {
  const parts = text.split(loginDirectory).map((part) => (part === '' ? '' : `'${part.replaceAll("'", `'\\''`)}'`))
  return parts.join('"$1"') || "''"
}
