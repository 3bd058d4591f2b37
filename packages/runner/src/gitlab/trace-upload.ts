import type { Trace } from '@runner-core/job'
import type { JobApiClient } from './job-api-client.ts'
import type { JobReply } from './job-reply.ts'
import type { JobCredentials } from './parse-job.ts'

/** Most bytes of trace that are sent at once. */
export const pieceBytes: number = 1024 * 1024
/** A server that corrects where the next piece begins is followed at once this many times in a row; from then on it is just not working. */
export const mostCorrections: number = 8

/** Sends a trace piece by piece and follows the server's word about where it stands. */
export class TraceUpload {
  readonly #client: Pick<JobApiClient, 'patchTrace'>
  readonly #job: JobCredentials
  readonly #trace: Pick<Trace, 'size' | 'read'>
  readonly #isDebugTrace: boolean
  #offset = 0

  constructor(
    client: Pick<JobApiClient, 'patchTrace'>,
    job: JobCredentials,
    trace: Pick<Trace, 'size' | 'read'>,
    { isDebugTrace }: { readonly isDebugTrace: boolean },
  ) {
    this.#client = client
    this.#job = job
    this.#trace = trace
    this.#isDebugTrace = isDebugTrace
  }

  get unsentBytes(): number {
    return this.#trace.size - this.#offset
  }

  /** Begins anew: the server's copy is not what was sent. */
  rewind(): void {
    this.#offset = 0
  }

  /** Sends the next piece; there must be one. 202 has moved the offset on, 416 to where the server stands. Rejects as `patchTrace` and `Trace.read` do. */
  async sendPiece(signal?: AbortSignal): Promise<JobReply> {
    const bytes = await this.#trace.read(this.#offset, pieceBytes)
    const reply = await this.#client.patchTrace(this.#job, { start: this.#offset, bytes, isDebugTrace: this.#isDebugTrace }, signal)
    if (reply.status === 202) this.#offset += bytes.length
    // It may know more than there is: then nothing is left to send, and the checksum decides.
    if (reply.status === 416) this.#offset = Math.min(reply.traceSize, this.#trace.size)
    return reply
  }
}
