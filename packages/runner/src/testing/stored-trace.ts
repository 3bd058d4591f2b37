import { crc32 } from 'node:zlib'

/** The trace of one job as the coordinator has received it. Appending costs the size of what is appended. */
export class StoredTrace {
  readonly #chunks: Buffer[] = []
  #size = 0
  #crc = 0

  /** Bytes received. */
  get size(): number {
    return this.#size
  }

  /** `crc32:%08x` over all bytes, as a runner must report it. */
  get checksum(): string {
    return `crc32:${this.#crc.toString(16).padStart(8, '0')}`
  }

  append(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    this.#crc = crc32(chunk, this.#crc)
  }

  /** Forgets everything, so that the whole trace can be sent again. */
  reset(): void {
    this.#chunks.length = 0
    this.#size = 0
    this.#crc = 0
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  text(): string {
    return this.bytes().toString('utf8')
  }
}
