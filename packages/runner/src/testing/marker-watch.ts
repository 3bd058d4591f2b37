/** Finds the first place where a marker stands in a stream of chunks, also across their borders. */
export class MarkerWatch {
  readonly #marker: Buffer
  #tail: Buffer = Buffer.alloc(0)
  #found = false

  constructor(marker: string) {
    this.#marker = Buffer.from(marker)
  }

  /** True once: for the chunk with which the marker became complete. */
  feed(chunk: Buffer): boolean {
    if (this.#found) return false
    const window = Buffer.concat([this.#tail, chunk])
    this.#found = window.includes(this.#marker)
    this.#tail = this.#found
      ? Buffer.alloc(0)
      : Buffer.from(window.subarray(Math.max(0, window.length - this.#marker.length + 1)))
    return this.#found
  }
}
