import type { ArchiveFile } from './archive-file.ts'

const windowBytes = 64 * 1024

/**
 * Reads a file in larger windows, for readers of small pieces that mostly follow one another: each read of the file
 * itself costs a round trip to a thread.
 */
export class ReadAhead {
  readonly #file: ArchiveFile
  #start = 0
  #window: Buffer = Buffer.alloc(0)

  constructor(file: ArchiveFile) {
    this.#file = file
  }

  /** As `ArchiveFile.readAt`, but synchronous when the bytes are in the window. */
  readAt(start: number, length: number): Buffer | Promise<Buffer> {
    const at = start - this.#start
    if (at >= 0 && at + length <= this.#window.length) return this.#window.subarray(at, at + length)
    return length >= windowBytes ? this.#file.readAt(start, length) : this.#move(start, length)
  }

  async #move(start: number, length: number): Promise<Buffer> {
    const window = await this.#file.readAt(start, windowBytes)
    this.#start = start
    this.#window = window
    return window.subarray(0, length)
  }
}
