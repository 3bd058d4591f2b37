import { crc32 } from 'node:zlib'
import type { Trace } from '@runner-core/job'
import type { JobApiClient } from '../job-api-client.ts'
import type { JobReply } from '../job-reply.ts'
import type { JobCredentials } from '../payload/parse-job.ts'

/** Most bytes of trace that are sent at once. */
export const pieceBytes: number = 1024 * 1024
/**
 * A server that corrects where the next piece begins is followed at once this many times in a row; from then on it is
 * just not working.
 */
export const maxCorrections: number = 8

/** What the coordinator is known to have of a trace: its first bytes, and their CRC-32. JSON. */
export interface SentTrace {
  readonly bytes: number
  /** Absent where they are not to be compared. */
  readonly crc32?: number
}

export interface TraceUploadOptions {
  readonly isDebugTrace: boolean
  /** What an earlier manager sent. Default: nothing. */
  readonly sent?: SentTrace | undefined
  /** Called when the coordinator has taken a piece. Must not throw. */
  readonly onSent?: ((sent: SentTrace) => void) | undefined
  /** Called once, before the first piece, where what was sent before is not what this trace begins with. */
  readonly onMismatch?: (() => void) | undefined
}

/** Sends a trace piece by piece and follows the server's word about where it stands. */
export class TraceUpload {
  readonly #client: Pick<JobApiClient, 'patchTrace'>
  readonly #job: JobCredentials
  readonly #trace: Pick<Trace, 'size' | 'read'>
  readonly #options: TraceUploadOptions
  #offset: number
  /** Of the bytes before the offset; undefined where the server moved it. */
  #crc32: number | undefined
  #isProven: boolean
  /** How much further on than here the server has what is sent now. */
  #shift = 0

  constructor(
    client: Pick<JobApiClient, 'patchTrace'>,
    job: JobCredentials,
    trace: Pick<Trace, 'size' | 'read'>,
    options: TraceUploadOptions,
  ) {
    this.#client = client
    this.#job = job
    this.#trace = trace
    this.#options = options
    this.#offset = options.sent?.bytes ?? 0
    this.#crc32 = options.sent === undefined ? 0 : options.sent.crc32
    this.#isProven = options.sent?.crc32 === undefined
  }

  /** None while a trace that an earlier manager sent is still being made again. */
  get unsentBytes(): number {
    return Math.max(0, this.#trace.size + this.#shift - this.#offset)
  }

  /** False: the server has more than was made again, and its copy cannot be compared. */
  get isWhole(): boolean {
    return this.#shift === 0
  }

  /**
   * The trace has ended. If it ended before it was made again as far as an earlier manager sent it, since its machine
   * is out of reach or it was cancelled, the server's copy is the better one: it is kept, and only the last line, which
   * says how the job ended, is added to it. Idempotent.
   */
  async end(): Promise<void> {
    const { sent } = this.#options
    const { size } = this.#trace
    if (sent === undefined || size >= sent.bytes || size === 0 || this.#shift > 0) return
    this.#isProven = true
    this.#crc32 = undefined
    this.#shift = this.#offset - (await this.#lastLineStart())
  }

  async #lastLineStart(): Promise<number> {
    const { size } = this.#trace
    const from = Math.max(0, size - pieceBytes)
    let tail = Buffer.alloc(0)
    while (from + tail.length < size)
      tail = Buffer.concat([tail, await this.#trace.read(from + tail.length, size - from - tail.length)])
    // The last byte ends the line.
    return from + tail.lastIndexOf('\n', -2) + 1
  }

  /** Begins anew: the server's copy is not what was sent. */
  rewind(): void {
    this.#offset = 0
    this.#crc32 = 0
    this.#shift = 0
  }

  /**
   * Sends the next piece, of what stands before `limit` in the trace; there must be one. 202 has moved the offset on,
   * 416 to where the server stands. Rejects as `patchTrace` and `Trace.read` do.
   */
  async sendPiece(signal?: AbortSignal, limit: number = this.#trace.size): Promise<JobReply> {
    const { isDebugTrace, onSent } = this.#options
    if (!this.#isProven) await this.#prove()
    const start = this.#offset
    const from = start - this.#shift
    const bytes = await this.#trace.read(from, Math.min(pieceBytes, limit - from))
    const reply = await this.#client.patchTrace(this.#job, { start, bytes, isDebugTrace }, signal)
    if (reply.status === 202) {
      this.#offset += bytes.length
      if (this.#shift > 0) return reply
      if (onSent === undefined) this.#crc32 = undefined
      else {
        this.#crc32 = this.#crc32 === undefined ? await this.#checksum(this.#offset) : crc32(bytes, this.#crc32)
        onSent({ bytes: this.#offset, crc32: this.#crc32 })
      }
    }
    // It may know more than there is: then nothing is left to send, or not yet, and the checksum decides.
    if (reply.status === 416) {
      const hasLess = reply.traceSize <= this.#trace.size
      const isThere = reply.traceSize === start + bytes.length
      if (hasLess) this.#shift = 0
      else if (this.#shift > 0 && !isThere) this.#shift += reply.traceSize - start
      this.#offset = reply.traceSize
      this.#crc32 = undefined
    }
    return reply
  }

  async #prove(): Promise<void> {
    this.#isProven = true
    const { sent, onMismatch } = this.#options
    if (sent === undefined) return
    // One that ended sooner cannot be read that far.
    const isSame = sent.bytes <= this.#trace.size && (await this.#checksum(sent.bytes)) === sent.crc32
    if (!isSame) onMismatch?.()
  }

  /** Of the first bytes; there must be so many. */
  async #checksum(end: number): Promise<number> {
    let checksum = 0
    for (let at = 0; at < end; ) {
      const bytes = await this.#trace.read(at, Math.min(end - at, pieceBytes))
      checksum = crc32(bytes, checksum)
      at += bytes.length
    }
    return checksum
  }
}
