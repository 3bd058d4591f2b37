const pageBytes = 64 * 1024

/**
 * Small records kept close together. Each as a buffer of its own would keep alive the whole page of the pool that it
 * was cut from.
 */
export class BytePages {
  readonly #pages: Buffer[] = []
  #used = pageBytes
  #length = 0
  #records = 0

  /** Bytes in all. */
  get length(): number {
    return this.#length
  }

  get records(): number {
    return this.#records
  }

  add(record: Buffer): void {
    this.#records += 1
    this.#length += record.length
    for (let at = 0; at < record.length; ) {
      if (this.#used === pageBytes) {
        this.#pages.push(Buffer.allocUnsafeSlow(pageBytes))
        this.#used = 0
      }
      const copied = record.copy(this.#pages.at(-1)!, this.#used, at)
      this.#used += copied
      at += copied
    }
  }

  *[Symbol.iterator](): Generator<Buffer> {
    for (const [index, page] of this.#pages.entries())
      yield index === this.#pages.length - 1 ? page.subarray(0, this.#used) : page
  }
}
