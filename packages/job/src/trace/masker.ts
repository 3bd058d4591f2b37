import { MaskedOutput } from './masked-output.ts'
import { type Pattern, PatternAutomaton, secret, tokenPrefix } from './pattern-automaton.ts'
import { buildSkipTable, pairSlotMask, type SkipTable } from './skip-table.ts'
import { tokenBytes } from './token-prefixes.ts'
import { insideSecretValue, urlParameterTable } from './url-parameter-keys.ts'

/** What the masker looks for; no string is empty. */
export interface MaskRules {
  readonly secrets: readonly string[]
  readonly tokenPrefixes: readonly string[]
}

const outside = -1

/**
 * Replaces with `[MASKED]` what must not be read in a stream of bytes, and passes everything else on:
 *
 * - each occurrence of a secret,
 * - what follows a token prefix, as long as it may belong to a token,
 * - the value of a secret URL parameter.
 *
 * All three are looked for in the text as it came, however it was cut. Where what they find overlaps, one `[MASKED]`
 * stands for the union; where it only touches, each gets its own. Held back is the longest end of the text that may be
 * the beginning of a secret or a token prefix, nothing else.
 */
export class Masker {
  readonly #output: MaskedOutput
  #patterns: Pattern[]
  #automaton: PatternAutomaton
  #skip: SkipTable
  #state = 0
  #parameterState = 0
  /**
   * Where the parameter's value or the rest of a token began that the text is in; {@link outside} where it is in none.
   */
  #valueStart = outside
  #tokenStart = outside
  /** Bytes of the text so far. */
  #position = 0

  /**
   * `sink` gets the output in slices that it must not keep, and where in the text each begins, or what it stands for.
   */
  constructor(rules: MaskRules, sink: (bytes: Buffer, position: number) => void) {
    this.#output = new MaskedOutput(sink)
    this.#patterns = [...patternsOf(rules.secrets, secret), ...patternsOf(rules.tokenPrefixes, tokenPrefix)]
    this.#automaton = new PatternAutomaton(this.#patterns)
    this.#skip = buildSkipTable(this.#patterns)
  }

  /** Looks for more secrets from here on, in what is held back too. */
  addSecrets(secrets: readonly string[]): void {
    const held = this.#automaton.text(this.#state)
    this.#patterns = [...this.#patterns, ...patternsOf(secrets, secret)]
    this.#automaton = new PatternAutomaton(this.#patterns)
    this.#skip = buildSkipTable(this.#patterns)
    this.#state = 0
    held.forEach((byte, index) => {
      this.#state = this.#automaton.next(this.#state, byte)
      this.#maskSecret(this.#state, this.#position - held.length + index + 1)
    })
  }

  /** Takes the text's next bytes and passes on all that is certain. */
  write(chunk: Buffer): void {
    const held = this.#automaton.text(this.#state)
    const start = this.#position
    this.#scan(chunk)
    this.#position += chunk.length
    this.#maskOpenSpans()
    this.#output.release(this.#position - this.#automaton.text(this.#state).length, [
      { start: start - held.length, bytes: held },
      { start, bytes: chunk },
    ])
  }

  /** The text ended: passes on what was held back. */
  end(): void {
    const held = this.#automaton.text(this.#state)
    this.#output.release(this.#position, [{ start: this.#position - held.length, bytes: held }])
    this.#state = 0
  }

  #scan(chunk: Buffer): void {
    const automaton = this.#automaton
    const { ends } = automaton
    const { window, jumps } = this.#skip
    const lastWindow = chunk.length - window
    const position = this.#position
    let state = this.#state
    let parameterState = this.#parameterState
    let tokenStart = this.#tokenStart
    for (let i = 0; i < chunk.length; i++) {
      if (state === 0 && parameterState === 0 && tokenStart === outside) {
        while (i <= lastWindow) {
          const jump = jumps[((chunk[i + window - 2]! << 6) ^ chunk[i + window - 1]!) & pairSlotMask]!
          if (jump === 0) break
          i += jump
        }
        if (i >= chunk.length) break
      }
      const byte = chunk[i]!
      if (tokenStart !== outside && tokenBytes[byte] === 0) {
        this.#output.add(tokenStart, position + i)
        tokenStart = outside
      }
      const nextParameterState = urlParameterTable[parameterState * 256 + byte]!
      if (nextParameterState !== parameterState) {
        this.#changeParameterState(parameterState, nextParameterState, position + i)
        parameterState = nextParameterState
      }
      state = automaton.next(state, byte)
      const kinds = ends[state]!
      if (kinds !== 0) {
        this.#maskSecret(state, position + i + 1)
        if (kinds & tokenPrefix && tokenStart === outside) tokenStart = position + i + 1
      }
    }
    this.#state = state
    this.#parameterState = parameterState
    this.#tokenStart = tokenStart
  }

  #changeParameterState(from: number, to: number, position: number): void {
    if (to === insideSecretValue) this.#valueStart = position + 1
    else if (from === insideSecretValue) {
      this.#output.add(this.#valueStart, position)
      this.#valueStart = outside
    }
  }

  #maskSecret(state: number, end: number): void {
    this.#output.add(end - this.#automaton.secretLength(state), end)
  }

  /** A value or token that goes on masks what it has so far; its rest makes the span longer. */
  #maskOpenSpans(): void {
    if (this.#valueStart !== outside) this.#output.add(this.#valueStart, this.#position)
    if (this.#tokenStart !== outside) this.#output.add(this.#tokenStart, this.#position)
  }
}

function patternsOf(strings: readonly string[], kind: Pattern['kind']): Pattern[] {
  return strings.map((string) => ({ bytes: Buffer.from(string), kind }))
}
