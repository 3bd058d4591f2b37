/** Looks whether a script has said anything by its markers: then its shell has read all of it. */
export class MarkerWatch {
  readonly #start: Buffer
  #last: Buffer = Buffer.alloc(0)
  #isSeen = false

  constructor(nonce: string) {
    this.#start = Buffer.from(`\x1e${nonce} `)
  }

  get isSeen(): boolean {
    return this.#isSeen
  }

  push(chunk: Buffer): void {
    if (this.#isSeen) return
    const bytes = Buffer.concat([this.#last, chunk])
    this.#isSeen = bytes.includes(this.#start)
    this.#last = bytes.subarray(-this.#start.length)
  }
}
