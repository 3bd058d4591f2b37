const mark = 'opened'

/**
 * Puts a script in braces of its own, behind a mark: the first thing that it prints, once its shell has read all of it.
 */
export function openedScript(script: Buffer, nonce: string): Buffer {
  return Buffer.concat([Buffer.from(`{ printf '\\036${nonce} ${mark}\\036'\n`), script, Buffer.from('\n}\n')])
}

/**
 * Looks for the first mark of a script in its output. `opened`: its shell has read all of it, and its output is there
 * from the beginning. `other`: the beginning is not there any more.
 */
export class MarkerWatch {
  readonly #start: Buffer
  readonly #opened: Buffer
  #last: Buffer = Buffer.alloc(0)
  #first: 'opened' | 'other' | undefined

  constructor(nonce: string) {
    this.#start = Buffer.from(`\x1e${nonce} `)
    this.#opened = Buffer.from(`\x1e${nonce} ${mark}\x1e`)
  }

  /** Undefined: there was none yet. */
  get first(): 'opened' | 'other' | undefined {
    return this.#first
  }

  push(chunk: Buffer): void {
    if (this.#first !== undefined) return
    const bytes = Buffer.concat([this.#last, chunk])
    const at = bytes.indexOf(this.#start)
    if (at >= 0 && bytes.length >= at + this.#opened.length)
      this.#first = bytes.subarray(at, at + this.#opened.length).equals(this.#opened) ? 'opened' : 'other'
    this.#last = at >= 0 ? bytes.subarray(at) : bytes.subarray(-this.#start.length)
  }
}
