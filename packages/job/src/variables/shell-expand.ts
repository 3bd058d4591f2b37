/** Why a text cannot be expanded as a shell would: it is none, or it asks for what is not done here. */
export class ShellExpandError extends Error {
  override readonly name = 'ShellExpandError'
  readonly code = 'bad_expansion'
}

/** Characters that may come of a text, and of a value that a pattern is looked for in. */
const longestResult = 64 * 1024
const longestMatched = 4096

/**
 * What a shell makes of a text within double quotes, as far as variables go: `$NAME`, `${NAME}`, and of bash's forms `:-`, `:+`, `:?` (empty is unset, with or without the colon), `#`, `##`, `%`, `%%`, `/`, `//`, `^`, `^^`, `,`, `,,`, `:OFFSET:LENGTH` and
 * `${#NAME}`. Patterns have `*` and `?`. A backslash takes its meaning from `$`, `` ` `` and itself. This is what GitLab's runner does with names and paths of artifacts, where its helper program runs. Nothing is run:
 * thrown: {@link ShellExpandError} for commands, arithmetic and other forms, and where far more comes of it than a path may be long.
 */
export function shellExpand(text: string, lookUp: (name: string) => string): string {
  const reader = new Reader(text, lookUp)
  return reader.text(undefined)
}

const namePattern = /[A-Za-z_][A-Za-z0-9_]*/y
/** Parameters of a shell that has none: empty. */
const special = '*#$@!?-0123456789'
const operatorPattern = /:?[-+?=]|##|#|%%|%|\/\/|\/|\^\^|\^|,,|,|:/y

/** Reads a text from its beginning to its end. */
class Reader {
  readonly #text: string
  readonly #lookUp: (name: string) => string
  #at = 0

  constructor(text: string, lookUp: (name: string) => string) {
    this.#text = text
    this.#lookUp = lookUp
  }

  /** Up to one of the characters of `ends`, which is left; undefined: to the end. As a pattern, what a backslash takes a meaning from keeps the backslash. */
  text(ends: string | undefined, isPattern = false): string {
    let result = ''
    for (;;) {
      const character = this.#text[this.#at]
      if (character === undefined) {
        if (ends !== undefined) throw unclosed()
        return result
      }
      if (ends?.includes(character)) return result
      result += this.#next(character, ends ?? '', isPattern)
      if (result.length > longestResult) throw new ShellExpandError(`more than ${longestResult} characters come of it`)
    }
  }

  #next(character: string, ends: string, isPattern: boolean): string {
    this.#at++
    if (character === '`') throw new ShellExpandError('commands are not run here')
    if (character === '$') return this.#reference()
    if (character !== '\\') return character
    const escaped = this.#text[this.#at] ?? ''
    if (isPattern && escaped !== '') {
      this.#at++
      return `\\${escaped}`
    }
    if (escaped === '' || !`$\`\\\n${ends}`.includes(escaped)) return character
    this.#at++
    return escaped === '\n' ? '' : escaped
  }

  /** Behind a `$`. */
  #reference(): string {
    const character = this.#text[this.#at] ?? ''
    if (character === '(') throw new ShellExpandError('commands are not run here, nor is anything computed')
    if (character === '{') {
      this.#at++
      return this.#braces()
    }
    if (character !== '' && special.includes(character)) {
      this.#at++
      return ''
    }
    const name = this.#match(namePattern)
    return name === '' ? '$' : this.#lookUp(name)
  }

  /** Behind `${`. */
  #braces(): string {
    const isLength = this.#text[this.#at] === '#' && this.#text[this.#at + 1] !== '}'
    if (isLength) this.#at++
    const name = this.#match(namePattern)
    if (name === '') throw new ShellExpandError('"${" without a name')
    const value = this.#lookUp(name)
    const operator = isLength ? '' : this.#match(operatorPattern)
    const result = isLength ? String(Array.from(value).length) : this.#operate(name, value, operator)
    if (this.#at >= this.#text.length) throw unclosed()
    if (this.#text[this.#at] !== '}') throw new ShellExpandError(`"\${${name}" goes on in a way that is not known here`)
    this.#at++
    return result
  }

  #operate(name: string, value: string, operator: string): string {
    switch (operator) {
      case '':
        return value
      case '-':
      case ':-': {
        const word = this.text('}')
        return value === '' ? word : value
      }
      case '+':
      case ':+': {
        const word = this.text('}')
        return value === '' ? '' : word
      }
      case '?':
      case ':?': {
        const word = this.text('}')
        if (value === '') throw new ShellExpandError(`${name}: ${word}`)
        return value
      }
      case '^':
      case '^^':
      case ',':
      case ',,': {
        const [first = '', ...rest] = Array.from(value)
        const inCase = (text: string): string => (operator.startsWith('^') ? text.toUpperCase() : text.toLowerCase())
        return operator.length === 2 ? inCase(value) : inCase(first) + rest.join('')
      }
      case '#':
      case '##':
      case '%':
      case '%%':
        return withoutEnd(matchable(value), patternOf(this.text('}', true)), operator)
      case '/':
      case '//':
        return this.#replaced(matchable(value), operator === '//')
      case ':':
        return this.#part(Array.from(value))
      default:
        throw new ShellExpandError('nothing is assigned here')
    }
  }

  #replaced(value: readonly string[], isAll: boolean): string {
    const pattern = patternOf(this.text('/}', true))
    let replacement = ''
    if (this.#text[this.#at] === '/') {
      this.#at++
      replacement = this.text('}')
    }
    if (pattern.length === 0) return value.join('')
    let result = ''
    for (let at = 0; at < value.length; ) {
      const end = ends(value.slice(at), pattern).at(-1) ?? 0
      if (end === 0) result += value[at++]!
      else {
        result += replacement
        at += end
        if (!isAll) return result + value.slice(at).join('')
      }
      if (result.length > longestResult) throw new ShellExpandError(`more than ${longestResult} characters come of it`)
    }
    return result
  }

  /** `OFFSET` and `LENGTH`, which count from the end where they are negative. */
  #part(value: readonly string[]): string {
    const offset = numberOf(this.text(':}'))
    const begin = offset < 0 ? Math.max(0, value.length + offset) : offset
    if (this.#text[this.#at] !== ':') return value.slice(begin).join('')
    this.#at++
    const length = numberOf(this.text('}'))
    return value.slice(begin, length < 0 ? value.length + length : begin + length).join('')
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0] ?? ''
    this.#at += found.length
    return found
  }
}

function unclosed(): ShellExpandError {
  return new ShellExpandError('"${" without "}"')
}

/** A character, or any: one, or any number of them. */
type PatternPart = { readonly literal: string } | '?' | '*'

function patternOf(text: string): PatternPart[] {
  const parts: PatternPart[] = []
  const characters = Array.from(text)
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!
    if (character === '[') throw new ShellExpandError('patterns have no "[" here')
    if (character === '*' || character === '?') parts.push(character)
    else if (character === '\\' && at + 1 < characters.length) parts.push({ literal: characters[++at]! })
    else parts.push({ literal: character })
  }
  return parts
}

/** How many of the first characters the whole pattern can mean, the fewest first. */
function ends(value: readonly string[], pattern: readonly PatternPart[]): number[] {
  // Which beginnings of the pattern the characters so far can mean.
  let states = closed(new Set([0]), pattern)
  const found: number[] = []
  for (let length = 0; states.size > 0; length++) {
    if (states.has(pattern.length)) found.push(length)
    const character = value[length]
    if (character === undefined) break
    const next = new Set<number>()
    for (const state of states) {
      const part = pattern[state]
      if (part === '*') next.add(state)
      else if (part === '?' || part?.literal === character) next.add(state + 1)
    }
    states = closed(next, pattern)
  }
  return found
}

/** A `*` can mean nothing, too. */
function closed(states: Set<number>, pattern: readonly PatternPart[]): Set<number> {
  for (const state of states) if (pattern[state] === '*') states.add(state + 1)
  return states
}

function withoutEnd(value: readonly string[], pattern: readonly PatternPart[], operator: string): string {
  const isPrefix = operator.startsWith('#')
  const found = isPrefix ? ends(value, pattern) : ends(value.toReversed(), pattern.toReversed())
  const length = found.at(operator.length === 2 ? -1 : 0) ?? 0
  return (isPrefix ? value.slice(length) : value.slice(0, value.length - length)).join('')
}

function matchable(value: string): readonly string[] {
  if (value.length > longestMatched) throw new ShellExpandError(`a pattern is not looked for in more than ${longestMatched} characters`)
  return Array.from(value)
}

function numberOf(text: string): number {
  if (!/^ *-?\d{1,9} *$/.test(text)) throw new ShellExpandError(`expected a number, got ${JSON.stringify(text)}`)
  return Number(text)
}
