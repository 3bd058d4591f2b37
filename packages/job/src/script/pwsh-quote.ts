import { loginDirectory } from '../build-paths.ts'

/**
 * `text` as one expression of PowerShell, character for character. Where {@link loginDirectory} stands in it, the
 * script's `$rc_home` is inserted. PowerShell takes typographic quotes for plain ones, so those are doubled too.
 */
export function pwshQuote(text: string): string {
  const parts = text.split(loginDirectory).map((part) => `'${part.replaceAll(/['\u2018\u2019\u201a\u201b]/g, '$&$&')}'`)
  return parts.length === 1 ? parts[0]! : `(${parts.join(' + $rc_home + ')})`
}
