/**
 * Patterns of paths as GitLab's runner reads them (its `doublestar`): `*` and `?` within a name, `**` for any number of
 * directories, `[a-z]`, `[^a]`, `{one,two}`, `\` before what is meant as it is. A name that begins with a dot is like
 * any other.
 *
 * A pattern comes from a job and is matched by the manager, which runs other jobs: the time it takes grows with the
 * product of the lengths of pattern and path, never worse. So no regular expression is made of it, and what is made of
 * it and each comparison draws from the job's budget.
 *
 * @module
 */

import { JobBudget } from '../job-budget.ts'

/** Thrown where a text is no pattern. */
export class PathPatternError extends Error {
  override readonly name = 'PathPatternError'
  readonly code = 'invalid_pattern'
}

type Token =
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  | { readonly kind: 'class'; readonly isNegated: boolean; readonly ranges: readonly (readonly [number, number])[] }

/** A name's tokens; `**` stands for any number of names. */
type Segment = '**' | readonly Token[]

/** `{…}` may come to as many patterns as this. */
const maxAlternatives = 1000
/** How deep they may stand in each other. */
const deepest = 32
const field = 'patterns of paths'

/** The names of a path, each with its characters. */
export type PathNames = readonly (readonly string[])[]

export function pathNames(path: string): PathNames {
  return path.split('/').map((name) => Array.from(name))
}

export class PathPattern {
  readonly #alternatives: readonly (readonly Segment[])[]
  readonly #budget: JobBudget

  /** `text`: names with `/` between them, relative. Thrown: {@link PathPatternError}; `JobError` `limit_exceeded`. */
  constructor(text: string, budget: JobBudget = new JobBudget()) {
    const alternatives = expandBraces(text)
    for (const { length } of alternatives) budget.draw('characters', length, field)
    this.#budget = budget
    this.#alternatives = alternatives.map(parseSegments)
  }

  /** Whether the whole of a path, names with `/` between them, is meant. Thrown: `JobError` `limit_exceeded`. */
  matches(path: string | PathNames): boolean {
    const names = typeof path === 'string' ? pathNames(path) : path
    const draw = (steps: number): void => this.#budget.draw('steps', steps, field)
    return this.#alternatives.some((segments) => matchPath(segments, names, draw))
  }

  /**
   * Directories and files below which, or which alone, everything is that is meant. `isWhole`: nothing but that path.
   * An empty path: anything may be.
   */
  get bases(): readonly { readonly path: string; readonly isWhole: boolean }[] {
    return this.#alternatives.map((segments) => {
      const literal: string[] = []
      for (const segment of segments) {
        const name = literalName(segment)
        if (name === undefined) return { path: literal.join('/'), isWhole: false }
        literal.push(name)
      }
      return { path: literal.join('/'), isWhole: true }
    })
  }
}

/** The characters up to the first one that means something in a pattern, cut at the last `/`: no pattern. */
export function literalBase(pattern: string): { readonly base: string; readonly rest: string } {
  const magic = pattern.search(/[*?[{\\]/)
  if (magic < 0) return { base: pattern, rest: '' }
  const cut = pattern.lastIndexOf('/', magic) + 1
  return { base: pattern.slice(0, cut), rest: pattern.slice(cut) }
}

function literalName(segment: Segment): string | undefined {
  if (segment === '**') return undefined
  let name = ''
  for (const token of segment) {
    if (token.kind !== 'character') return undefined
    name += token.character
  }
  return name
}

/** All that a text with `{…}` means, each without. Nothing is joined before it is known that it is not too much. */
function expandBraces(text: string, level = 0): string[] {
  if (level > deepest) throw new PathPatternError(`{ nested more than ${deepest} deep`)
  let results = ['']
  let depth = 0
  let copied = 0
  const parts: string[] = []
  let partStart = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '\\') at++
    else if (character === '[') at = classEnd(text, at)
    else if (character === '{' && depth++ === 0) {
      results = products(results, [text.slice(copied, at)])
      partStart = at + 1
    } else if (depth > 0 && ((character === ',' && depth === 1) || character === '}')) {
      if (character === '}' && --depth > 0) continue
      parts.push(text.slice(partStart, at))
      partStart = at + 1
      if (parts.length > maxAlternatives) throw tooMany()
      if (character === ',') continue
      const inner: string[] = []
      for (const part of parts.splice(0)) {
        inner.push(...expandBraces(part, level + 1))
        if (inner.length > maxAlternatives) throw tooMany()
      }
      results = products(results, inner)
      copied = at + 1
    }
  }
  if (depth > 0) throw new PathPatternError('{ without }')
  return products(results, [text.slice(copied)])
}

function products(before: readonly string[], after: readonly string[]): string[] {
  if (before.length * after.length > maxAlternatives) throw tooMany()
  return before.flatMap((first) => after.map((rest) => first + rest))
}

function tooMany(): PathPatternError {
  return new PathPatternError('too many alternatives')
}

/** Where the `]` stands of the `[` at `at`. */
function classEnd(text: string, at: number): number {
  let end = at + 1
  if (text[end] === '^' || text[end] === '!') end++
  for (let isFirst = true; end < text.length; end++, isFirst = false) {
    if (text[end] === '\\') end++
    else if (text[end] === ']') {
      if (isFirst) break
      return end
    } else if (text[end] === '/') break
  }
  throw new PathPatternError('[ without ]')
}

function parseSegments(text: string): Segment[] {
  const segments: Segment[] = []
  let tokens: Token[] = []
  let isDoubleStar = false
  const close = (): void => {
    // Two in a row mean what one means.
    if (isDoubleStar && tokens.length === 2) {
      if (segments.at(-1) !== '**') segments.push('**')
    } else segments.push(tokens)
    tokens = []
    isDoubleStar = false
  }
  for (let at = 0; at < text.length; at++) {
    const character = String.fromCodePoint(text.codePointAt(at)!)
    if (character === '/') close()
    else if (character === '*') {
      isDoubleStar = tokens.length === 1 && tokens[0]!.kind === 'star'
      tokens.push({ kind: 'star' })
    } else if (character === '?') tokens.push({ kind: 'any' })
    else if (character === '[') {
      const end = classEnd(text, at)
      tokens.push(parseClass(text.slice(at + 1, end)))
      at = end
    } else if (character === '\\') {
      if (at + 1 === text.length) throw new PathPatternError('\\ at the end')
      const escaped = String.fromCodePoint(text.codePointAt(++at)!)
      tokens.push({ kind: 'character', character: escaped })
      at += escaped.length - 1
    } else {
      tokens.push({ kind: 'character', character })
      at += character.length - 1
    }
  }
  close()
  return segments
}

function parseClass(body: string): Token {
  const isNegated = body.startsWith('^') || body.startsWith('!')
  const characters: { readonly code: number; readonly isEscaped: boolean }[] = []
  const text = Array.from(isNegated ? body.slice(1) : body)
  for (let at = 0; at < text.length; at++) {
    const isEscaped = text[at] === '\\' && at + 1 < text.length
    if (isEscaped) at++
    characters.push({ code: text[at]!.codePointAt(0)!, isEscaped })
  }
  const ranges: [number, number][] = []
  for (let at = 0; at < characters.length; at++) {
    const first = characters[at]!
    const [dash, last] = characters.slice(at + 1, at + 3)
    if (dash !== undefined && dash.code === 0x2d && !dash.isEscaped && last !== undefined) {
      ranges.push([first.code, last.code])
      at += 2
    } else ranges.push([first.code, first.code])
  }
  return { kind: 'class', isNegated, ranges }
}

/** Where a `**` has taken too few names it takes one more: only the last one need be asked. `draw`: takes the steps. */
function matchPath(segments: readonly Segment[], names: PathNames, draw: (steps: number) => void): boolean {
  let [segmentAt, nameAt] = [0, 0]
  let retry: { readonly segmentAt: number; nameAt: number } | undefined
  draw(1)
  while (nameAt < names.length) {
    const segment = segments[segmentAt]
    if (segment === '**') {
      retry = { segmentAt: ++segmentAt, nameAt }
    } else if (segment !== undefined && matchName(segment, names[nameAt]!, draw)) {
      segmentAt++
      nameAt++
    } else if (retry !== undefined) {
      nameAt = ++retry.nameAt
      segmentAt = retry.segmentAt
    } else return false
  }
  // `a/**` means `a` too.
  return segmentAt === segments.length || (segmentAt === segments.length - 1 && segments[segmentAt] === '**')
}

/** What one comparison may take before it is drawn. */
const smallMatch = 100_000

function matchName(tokens: readonly Token[], characters: readonly string[], draw: (steps: number) => void): boolean {
  let [tokenAt, at, steps] = [0, 0, 1]
  let retry: { readonly tokenAt: number; at: number } | undefined
  while (at < characters.length) {
    const token = tokens[tokenAt]
    steps += token?.kind === 'class' ? token.ranges.length : 1
    if (steps > smallMatch) {
      draw(steps)
      steps = 0
    }
    if (token?.kind === 'star') {
      retry = { tokenAt: ++tokenAt, at }
    } else if (token !== undefined && matchCharacter(token, characters[at]!)) {
      tokenAt++
      at++
    } else if (retry !== undefined) {
      at = ++retry.at
      tokenAt = retry.tokenAt
    } else break
  }
  draw(steps)
  return at >= characters.length && tokens.slice(tokenAt).every(({ kind }) => kind === 'star')
}

function matchCharacter(token: Exclude<Token, { kind: 'star' }>, character: string): boolean {
  if (token.kind === 'any') return true
  if (token.kind === 'character') return token.character === character
  const code = character.codePointAt(0)!
  return token.ranges.some(([first, last]) => first <= code && code <= last) !== token.isNegated
}
