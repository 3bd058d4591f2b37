import type { JobOutcome, Trace } from '@runner-core/job'
import type { ReadBytes } from './kept-tails.ts'

/**
 * How a job ended, and what of its trace the coordinator was not known to have: enough to tell the end without the
 * job's machine. JSON, to be kept like the job's token.
 */
export interface KeptEnd {
  readonly outcome: JobOutcome
  /** Of the whole trace. */
  readonly size: number
  readonly crc32: number
  /** Offset of the tail. */
  readonly tailAt: number
  /** Base64; empty where a file has it. */
  readonly tail: string
  /** Name of the file that has the tail; see `KeptTails`. */
  readonly tailFile?: string
  /** Nothing is known of its trace: the process that ran it is gone. */
  readonly hasNoTrace?: true
}

/** The trace of a job that has ended: only its tail can be read. */
export class KeptTrace implements Pick<Trace, 'size' | 'crc32' | 'read'> {
  readonly size: number
  readonly crc32: number
  readonly #tailAt: number
  readonly #readTail: ReadBytes

  /** `readTail`: default, from the tail within `end`. */
  constructor({ size, crc32, tailAt, tail }: KeptEnd, readTail?: ReadBytes) {
    this.size = size
    this.crc32 = crc32
    this.#tailAt = tailAt
    const bytes = Buffer.from(tail, 'base64')
    this.#readTail = readTail ?? ((offset, maxBytes) => bytes.subarray(offset, offset + maxBytes))
  }

  /** Rejects with `RangeError` before the tail, which the coordinator had said to have, and where there is no tail. */
  async read(offset: number, maxBytes: number): Promise<Buffer> {
    const at = offset - this.#tailAt
    if (at < 0) throw new RangeError(`the trace is kept from byte ${this.#tailAt} on, but byte ${offset} was requested`)
    const bytes = await this.#readTail(at, maxBytes)
    if (bytes.length === 0) throw new RangeError(`the trace is not kept at byte ${offset}`)
    return bytes
  }
}
