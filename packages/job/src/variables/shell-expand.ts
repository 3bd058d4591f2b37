import { specialParameters } from './expand.ts'
import { ExpandEffort, ShellExpandError } from './expand-effort.ts'
import { ShellPattern } from './shell-pattern.ts'

/** Characters that may come of a text. */
const longestResult = 64 * 1024
/** How deep references may stand in each other. */
const deepest = 100

/**
 * What a shell makes of a text within double quotes, as far as variables go: `$NAME`, `${NAME}`, and of bash's forms
 * `:-`, `:+`, `:?` (empty is unset, with or without the colon), `#`, `##`, `%`, `%%`, `/`, `//`, `^`, `^^`, `,`, `,,`,
 * `:OFFSET:LENGTH` and `${#NAME}`. Patterns have `*` and `?`. A backslash takes its meaning from `$`, from a backtick
 * and from itself. This is what GitLab's runner does with names and paths of artifacts, where its helper program runs.
 * Nothing is run. Thrown: {@link ShellExpandError} for commands, arithmetic and other forms, and where far more comes
 * of it than a path may be long, or it takes more than is left of `effort`.
 */
export function shellExpand(
  text: string,
  lookUp: (name: string) => string,
  effort: ExpandEffort = new ExpandEffort(),
): string {
  const reader = new Reader(text, lookUp, effort)
  return reader.text(undefined)
}

const namePattern = /[A-Za-z_][A-Za-z0-9_]*/y
const operatorPattern = /:?[-+?=]|##|#|%%|%|\/\/|\/|\^\^|\^|,,|,|:/y

/** Reads a text from its beginning to its end. */
class Reader {
  readonly #text: string
  readonly #lookUp: (name: string) => string
  readonly #effort: ExpandEffort
  #at = 0
  #depth = 0

  constructor(text: string, lookUp: (name: string) => string, effort: ExpandEffort) {
    this.#text = text
    this.#lookUp = lookUp
    this.#effort = effort
  }

  /**
   * Up to one of the characters of `ends`, which is left; undefined: to the end. As a pattern, what a backslash takes a
   * meaning from keeps the backslash.
   */
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
      if (result.length > longestResult)
        throw new ShellExpandError(`the result is longer than ${longestResult} characters`)
    }
  }

  #next(character: string, ends: string, isPattern: boolean): string {
    this.#at++
    if (character === '`') throw new ShellExpandError('command substitution is not supported')
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
    if (character === '(') throw new ShellExpandError('command substitution and arithmetic are not supported')
    if (character === '{') {
      this.#at++
      return this.#braces()
    }
    // A shell that has none.
    if (character !== '' && specialParameters.includes(character)) {
      this.#at++
      return ''
    }
    const name = this.#match(namePattern)
    return name === '' ? '$' : this.#lookUp(name)
  }

  /** Behind `${`. */
  #braces(): string {
    if (++this.#depth > deepest) throw new ShellExpandError(`"\${" is nested more than ${deepest} deep`)
    const isLength = this.#text[this.#at] === '#' && this.#text[this.#at + 1] !== '}'
    if (isLength) this.#at++
    const name = this.#match(namePattern)
    if (name === '') throw new ShellExpandError('"${" without a name')
    const value = this.#lookUp(name)
    const operator = isLength ? '' : this.#match(operatorPattern)
    const result = isLength ? String(this.#characters(value).length) : this.#operate(name, value, operator)
    if (this.#at >= this.#text.length) throw unclosed()
    if (this.#text[this.#at] !== '}') throw new ShellExpandError(`"\${${name}" continues in an unsupported way`)
    this.#at++
    this.#depth--
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
        const [first = '', ...rest] = this.#characters(value)
        const inCase = (text: string): string => (operator.startsWith('^') ? text.toUpperCase() : text.toLowerCase())
        return operator.length === 2 ? inCase(value) : inCase(first) + rest.join('')
      }
      case '#':
      case '##':
      case '%':
      case '%%':
        return new ShellPattern(this.text('}', true), this.#effort).cutFrom(
          value,
          operator.startsWith('#') ? 'beginning' : 'end',
          operator.length === 2 ? 'longest' : 'shortest',
        )
      case '/':
      case '//':
        return this.#replaced(value, operator === '//')
      case ':':
        return this.#part(this.#characters(value))
      default:
        throw new ShellExpandError('assignment is not supported')
    }
  }

  #replaced(value: string, isAll: boolean): string {
    const pattern = new ShellPattern(this.text('/}', true), this.#effort)
    let replacement = ''
    if (this.#text[this.#at] === '/') {
      this.#at++
      replacement = this.text('}')
    }
    return pattern.replaceIn(value, replacement, isAll, longestResult)
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

  #characters(value: string): readonly string[] {
    this.#effort.spend(value.length)
    return Array.from(value)
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

function numberOf(text: string): number {
  if (!/^ *-?\d{1,9} *$/.test(text)) throw new ShellExpandError(`expected a number, got ${JSON.stringify(text)}`)
  return Number(text)
}
