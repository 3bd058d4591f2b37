import type { Connection, ExitStatus, OutputSink } from '@runner-core/fleeting'
import type { FileTransfer } from '@runner-core/job'

/** A command that moves files, on a channel of its own: over when it has ended and all its output was delivered. */
export class TransferRun {
  readonly #transfer: Omit<FileTransfer, 'signal'>
  /** What a sink or the input threw. */
  callersError: { readonly error: unknown } | undefined

  constructor(transfer: Omit<FileTransfer, 'signal'>) {
    this.#transfer = transfer
  }

  /**
   * Rejects with `ConnectionError`, the signal's reason, and what a sink or the input throws. `onStarted`: the machine
   * has accepted the command; its input is not read before.
   */
  async on(connection: Connection, signal: AbortSignal, onStarted: () => void): Promise<ExitStatus> {
    const { command, input, stdout, stderr } = this.#transfer
    const stdin = input && this.#watched(input)
    const execution = await connection.exec(command, {
      ...(stdin && { stdin }),
      stdout: this.#guarded(stdout),
      stderr: this.#guarded(stderr),
      signal,
    })
    onStarted()
    return await execution.closed
  }

  #guarded(sink: OutputSink): OutputSink {
    return (chunk) => {
      try {
        return sink(chunk)?.catch((error: unknown) => this.#note(error))
      } catch (error) {
        this.#note(error)
      }
    }
  }

  async *#watched(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    try {
      yield* input
    } catch (error) {
      this.#note(error)
    }
  }

  #note(error: unknown): never {
    this.callersError ??= { error }
    throw error
  }
}
