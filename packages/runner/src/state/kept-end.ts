import type { JobOutcome, Trace } from '@runner-core/job'

/** How a job ended, and what of its trace the coordinator was not known to have: enough to tell the end without the job's machine. JSON, to be kept like the job's token. */
export interface KeptEnd {
  readonly outcome: JobOutcome
  /** Of the whole trace. */
  readonly size: number
  readonly crc32: number
  /** Offset of the tail. */
  readonly tailAt: number
  /** Base64. */
  readonly tail: string
}

/** `trace`: ended. `sentBytes`: what the coordinator has of it. Rejects when the trace cannot be read. */
export async function keptEnd(outcome: JobOutcome, trace: Pick<Trace, 'size' | 'crc32' | 'read'>, sentBytes: number): Promise<KeptEnd> {
  const { size, crc32 } = trace
  const pieces: Buffer[] = []
  for (let at = sentBytes; at < size; at += pieces.at(-1)!.length) pieces.push(await trace.read(at, size - at))
  return { outcome, size, crc32, tailAt: sentBytes, tail: Buffer.concat(pieces).toString('base64') }
}

/** The trace of a job that ended in an earlier process: only its tail can be read. */
export class KeptTrace implements Pick<Trace, 'size' | 'crc32' | 'read' | 'onGrow' | 'end'> {
  readonly size: number
  readonly crc32: number
  readonly #tailAt: number
  readonly #tail: Buffer

  constructor({ size, crc32, tailAt, tail }: KeptEnd) {
    this.size = size
    this.crc32 = crc32
    this.#tailAt = tailAt
    this.#tail = Buffer.from(tail, 'base64')
  }

  /** Thrown: `RangeError` before the tail, which the coordinator had said to have. */
  read(offset: number, maxBytes: number): Buffer {
    const at = offset - this.#tailAt
    if (at < 0) throw new RangeError(`the trace was kept from byte ${this.#tailAt} on, asked for was byte ${offset}`)
    return this.#tail.subarray(at, at + maxBytes)
  }

  onGrow(): () => void {
    return () => {}
  }

  end(): void {}
}
