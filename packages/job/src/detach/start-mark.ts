/** What a command said of itself first: see `detachedScript`, `relayScript` and `followScript`. */
export type StartKind =
  | 'detached'
  | 'attached'
  | 'taken'
  | 'gone'
  | 'unwritable'
  | 'occupied'
  | 'relay'
  | 'following'
  | 'absent'
  | 'torn'

/** The beginning of a command's output. */
export interface StartedOutput {
  /** What the login printed before the command itself began. */
  readonly noise: Buffer
  readonly kind: StartKind
  /** What it said beside that. */
  readonly told: string
  /** What came after that so far: it goes on as it came. */
  readonly rest: Buffer
}

const separator = 0x1e
/** A login that prints more before a command begins is not waited for any longer. */
const maxNoiseBytes = 1024 * 1024

/** Finds the marker with which a command begins, in the first pieces of its output. */
export class StartMark {
  readonly #start: Buffer
  #seen: Buffer = Buffer.alloc(0)

  constructor(nonce: string) {
    this.#start = Buffer.from(`\x1e${nonce} `)
  }

  /** Undefined while the mark has not come. Thrown: `RangeError` when the login prints without end. */
  push(chunk: Buffer): StartedOutput | undefined {
    const seen = this.#seen.length === 0 ? chunk : Buffer.concat([this.#seen, chunk])
    this.#seen = seen
    const start = seen.indexOf(this.#start)
    const end = start < 0 ? -1 : seen.indexOf(separator, start + this.#start.length)
    if (end >= 0) {
      const [, word = '', told = ''] =
        /^(\S*) ?(.*)$/s.exec(seen.toString('latin1', start + this.#start.length, end)) ?? []
      const noise = seen.subarray(0, start)
      return { noise, kind: word as StartKind, told, rest: seen.subarray(end + 1) }
    }
    if (seen.length > maxNoiseBytes) throw new RangeError('the login prints without end before a command starts')
    return undefined
  }

  /** What came although the mark never did. */
  end(): Buffer {
    return this.#seen
  }
}
