import { limitExceeded } from '../job-budget.ts'

/** Characters that name one of a shell's special parameters on their own. */
export const specialParameters: string = '*#$@!?-0123456789'

/** What one text that is not a variable's value may come to, characters. */
const longestText: number = 1024 * 1024

/**
 * Replaces `$NAME` and `${NAME}` in `text`, once: what comes in is not looked at again. `$$` is `$`, positional and
 * special parameters are empty, a `$` without a name stays, `${}` and an unclosed `${` are eaten. This is how GitLab's
 * runner expands (Go's `os.Expand`). Thrown: `JobError` `limit_exceeded` where more than 1 Mi characters are inserted.
 */
export function expand(text: string, lookUp: (name: string) => string): string {
  let room = longestText
  return expandEach(text, (name) => {
    const inserted = lookUp(name)
    room -= inserted.length
    if (room < 0) throw limitExceeded('a text with its variables replaced', `${longestText} characters`)
    return inserted
  })
}

/** The same, where `lookUp` bounds what is inserted. */
export function expandEach(text: string, lookUp: (name: string) => string): string {
  let start = text.indexOf('$')
  if (start < 0) return text
  let expanded = ''
  let copied = 0
  const lastBrace = text.lastIndexOf('}')
  for (; start >= 0; start = text.indexOf('$', copied)) {
    const reference = referenceAt(text, start + 1, lastBrace)
    if (reference.length === 0) {
      expanded += text.slice(copied, start + 1)
      copied = start + 1
      continue
    }
    expanded += text.slice(copied, start)
    if (reference.name === '$') expanded += '$'
    else if (reference.name !== '' && !specialParameters.includes(reference.name)) expanded += lookUp(reference.name)
    copied = start + 1 + reference.length
  }
  return expanded + text.slice(copied)
}

/**
 * The name at `at`, just behind a `$`, and how many characters it takes. `lastBrace`: where the last `}` stands;
 * thousands of `${` behind it need not look for one.
 */
function referenceAt(text: string, at: number, lastBrace: number): { readonly name: string; readonly length: number } {
  const first = text[at]
  if (first === undefined) return { name: '', length: 0 }
  if (first === '{') {
    const end = at > lastBrace ? -1 : text.indexOf('}', at)
    return end < 0 ? { name: '', length: 1 } : { name: text.slice(at + 1, end), length: end - at + 1 }
  }
  if (specialParameters.includes(first)) return { name: first, length: 1 }
  namePattern.lastIndex = at
  const name = namePattern.exec(text)?.[0] ?? ''
  return { name, length: name.length }
}

const namePattern = /[A-Za-z0-9_]+/y
