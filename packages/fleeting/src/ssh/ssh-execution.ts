import type { Readable } from 'node:stream'
import type { Client, ClientChannel } from 'ssh2'
import type { ExecOptions, Execution, ExitStatus, OutputSink } from '../contract/connection.ts'
import { ConnectionError } from '../contract/errors.ts'
import { closedByMachine, sendSignal } from './ssh2-internals.ts'

/**
 * A command on a channel of its own. Must be made in the very call that delivers the channel: its output may follow at
 * once.
 */
export class SshExecution implements Execution {
  readonly exited: Promise<ExitStatus>
  readonly closed: Promise<ExitStatus>
  readonly #client: Client
  readonly #channel: ClientChannel
  readonly #signal: AbortSignal | undefined
  readonly #settleExited: Settle
  readonly #settleClosed: Settle
  #status: ExitStatus | undefined
  #over = false
  #stopWaiting: () => void = () => {}

  constructor(client: Client, channel: ClientChannel, options: ExecOptions) {
    this.#client = client
    this.#channel = channel
    this.#signal = options.signal
    ;[this.exited, this.#settleExited] = quietPromise()
    ;[this.closed, this.#settleClosed] = quietPromise()

    channel.on('exit', (code: number | null, signalName?: string) => {
      this.#status = code === null ? { signal: (signalName ?? '').replace(/^SIG/, '') } : { code }
      this.#settleExited.resolve(this.#status)
    })
    // Both come after the last output was taken. Writing to a channel that the machine closed is no error of ours.
    let open = 2
    const onClosed = (): void => {
      if (--open === 0) this.#finish()
    }
    channel.once('close', onClosed).on('error', () => {})
    channel.stderr.once('end', onClosed)
    this.#pump(channel, options.stdout)
    this.#pump(channel.stderr, options.stderr)

    const { signal, stdin } = options
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted) this.#onAbort()
    else if (stdin === undefined || typeof stdin === 'string' || Buffer.isBuffer(stdin)) channel.end(stdin)
    else void this.#feed(stdin)
  }

  kill(signalName: string): void {
    if (!this.#over) sendSignal(this.#client, this.#channel, signalName)
  }

  close(): void {
    this.fail(new DOMException('the channel was closed by this side', 'AbortError'))
  }

  /** The connection ended. What the machine sent completely is still delivered. */
  connectionEnded(reason: Error): void {
    if (this.#status === undefined || !closedByMachine(this.#channel)) this.fail(reason)
  }

  /** Ends it from this side: nothing more is taken or given, and what is not settled rejects. */
  fail(reason: unknown): void {
    if (this.#over) return
    this.#end()
    this.#settleExited.reject(reason)
    this.#settleClosed.reject(reason)
    // Read on, or the channel's end would never be noticed.
    this.#channel.removeAllListeners('data').resume()
    this.#channel.stderr.removeAllListeners('data').resume()
    this.#channel.close()
  }

  #finish(): void {
    if (this.#over) return
    if (this.#status === undefined) {
      this.fail(new ConnectionError('connection_lost', "the command's channel closed without an exit status"))
    } else {
      this.#end()
      this.#settleClosed.resolve(this.#status)
    }
  }

  #end(): void {
    this.#over = true
    this.#stopWaiting()
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => this.fail(this.#signal?.reason)

  #pump(stream: Readable, sink: OutputSink | undefined): void {
    if (sink === undefined) {
      stream.resume()
      return
    }
    stream.on('data', (chunk: Buffer) => {
      try {
        const pending = sink(chunk)
        if (pending !== undefined) void this.#pauseUntil(pending)
      } catch (error) {
        this.fail(error)
      }
    })
  }

  async #pauseUntil(pending: Promise<void>): Promise<void> {
    // Both, since they share one window: while one flows it would be opened again, and the other would pile up in
    // memory.
    this.#channel.pause()
    this.#channel.stderr.pause()
    try {
      await pending
      this.#channel.resume()
      this.#channel.stderr.resume()
    } catch (error) {
      this.fail(error)
    }
  }

  async #feed(chunks: AsyncIterable<Buffer>): Promise<void> {
    try {
      for await (const chunk of chunks) {
        // Leaving the loop ends the source.
        if (this.#over) return
        if (!this.#channel.write(chunk)) await this.#drained()
      }
      this.#channel.end()
    } catch (error) {
      this.fail(error)
    }
  }

  /** Resolves when the machine takes more, or never will. */
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#stopWaiting = resolve
      this.#channel.once('drain', resolve)
    })
  }
}

interface Settle {
  resolve(status: ExitStatus): void
  reject(reason: unknown): void
}

/** A promise that nobody need listen to. */
function quietPromise(): [Promise<ExitStatus>, Settle] {
  let settle!: Settle
  const promise = new Promise<ExitStatus>((resolve, reject) => {
    settle = { resolve, reject }
  })
  promise.catch(() => {})
  return [promise, settle]
}
