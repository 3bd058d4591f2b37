import type { OutputFrame } from './frame-reader.ts'

/** By so many bytes a log is known again. */
const headBytes = 1024

/**
 * What is new in a piece of a log. `isGap`: the log does not begin any more as it did, so output before it was lost.
 */
export interface NewOutput {
  readonly bytes: Buffer
  readonly isGap: boolean
}

/** How far a container's output was read, over readings of its log that each begin with the log's first byte. */
export class OutputPosition {
  #taken = { stdout: 0, stderr: 0 }
  /** Of this reading. */
  #read = { stdout: 0, stderr: 0 }
  /** How standard output began, in the reading before. */
  #head: Buffer = Buffer.alloc(0)
  /** How it begins in this one. */
  #begin: Buffer = Buffer.alloc(0)

  /** Bytes that were read of both. */
  get total(): number {
    return this.#taken.stdout + this.#taken.stderr
  }

  /** Another reading begins. */
  rewind(): void {
    if (this.#begin.length > this.#head.length) this.#head = this.#begin
    this.#begin = Buffer.alloc(0)
    this.#read = { stdout: 0, stderr: 0 }
  }

  /** Nothing was read: another start of the container is followed. */
  forget(): void {
    this.#taken = { stdout: 0, stderr: 0 }
    this.#head = Buffer.alloc(0)
    this.rewind()
  }

  next({ stream, bytes }: OutputFrame): NewOutput {
    const before = this.#read[stream]
    this.#read[stream] += bytes.length
    if (stream === 'stdout' && before < headBytes) {
      const held = this.#begin
      this.#begin = Buffer.concat([held, bytes.subarray(0, headBytes - before)])
      const length = Math.min(this.#begin.length, this.#head.length)
      if (!this.#begin.subarray(0, length).equals(this.#head.subarray(0, length))) {
        this.#head = Buffer.alloc(0)
        this.#taken = { ...this.#read }
        return { bytes: Buffer.concat([held, bytes]), isGap: true }
      }
    }
    const known = Math.max(0, Math.min(this.#taken[stream] - before, bytes.length))
    this.#taken[stream] += bytes.length - known
    return { bytes: bytes.subarray(known), isGap: false }
  }
}
