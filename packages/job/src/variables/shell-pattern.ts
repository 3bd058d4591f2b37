import { type ExpandEffort, ShellExpandError } from './expand-effort.ts'

/** Characters of a value that a pattern is looked for in. */
const longestValue = 4096

/** A character, or any: one, or any number of them. */
type PatternPart = { readonly literal: string } | '?' | '*'

/**
 * A pattern of a shell with `*` and `?`, and `\` before what is meant as it is. No regular expression is made of it,
 * which a job could hold its runner up with.
 */
export class ShellPattern {
  readonly #parts: readonly PatternPart[]
  readonly #effort: ExpandEffort

  /** Thrown: `ShellExpandError` for `[`. */
  constructor(text: string, effort: ExpandEffort) {
    this.#parts = partsOf(text)
    this.#effort = effort
  }

  /** The value without what the pattern means of its beginning or of its end, as much or as little as it can mean. */
  cutFrom(value: string, from: 'beginning' | 'end', extent: 'shortest' | 'longest'): string {
    const characters = this.#characters(value)
    const isBeginning = from === 'beginning'
    const found = isBeginning
      ? this.#ends(characters, 0, this.#parts)
      : this.#ends(characters.toReversed(), 0, this.#parts.toReversed())
    const length = found.at(extent === 'longest' ? -1 : 0) ?? 0
    return (isBeginning ? characters.slice(length) : characters.slice(0, characters.length - length)).join('')
  }

  /**
   * The value with `replacement` where the pattern is found, the first time or each time. `longest`: characters that
   * may come of it.
   */
  replaceIn(value: string, replacement: string, isAll: boolean, longest: number): string {
    const characters = this.#characters(value)
    if (this.#parts.length === 0) return value
    let result = ''
    for (let at = 0; at < characters.length; ) {
      const length = this.#ends(characters, at, this.#parts).at(-1) ?? 0
      if (length === 0) result += characters[at++]!
      else {
        result += replacement
        at += length
        if (!isAll) return result + characters.slice(at).join('')
      }
      if (result.length > longest) throw new ShellExpandError(`the result is longer than ${longest} characters`)
    }
    return result
  }

  #characters(value: string): readonly string[] {
    if (value.length > longestValue)
      throw new ShellExpandError(`patterns are not matched in more than ${longestValue} characters`)
    this.#effort.spend(value.length)
    return Array.from(value)
  }

  /** How many of the characters from `begin` on the whole pattern can mean, the fewest first. */
  #ends(characters: readonly string[], begin: number, parts: readonly PatternPart[]): number[] {
    // Which beginnings of the pattern the characters so far can mean.
    let states = closed(new Set([0]), parts)
    const found: number[] = []
    for (let length = 0; states.size > 0; length++) {
      if (states.has(parts.length)) found.push(length)
      const character = characters[begin + length]
      if (character === undefined) break
      this.#effort.spend(states.size)
      const next = new Set<number>()
      for (const state of states) {
        const part = parts[state]
        if (part === '*') next.add(state)
        else if (part === '?' || part?.literal === character) next.add(state + 1)
      }
      states = closed(next, parts)
    }
    return found
  }
}

function partsOf(text: string): PatternPart[] {
  const parts: PatternPart[] = []
  const characters = Array.from(text)
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!
    if (character === '[') throw new ShellExpandError('"[" in patterns is not supported')
    if (character === '*' || character === '?') parts.push(character)
    else if (character === '\\' && at + 1 < characters.length) parts.push({ literal: characters[++at]! })
    else parts.push({ literal: character })
  }
  return parts
}

/** A `*` can mean nothing, too. */
function closed(states: Set<number>, parts: readonly PatternPart[]): Set<number> {
  for (const state of states) if (parts[state] === '*') states.add(state + 1)
  return states
}
