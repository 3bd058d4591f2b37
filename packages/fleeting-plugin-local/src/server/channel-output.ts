import type { Readable, Writable } from 'node:stream'
import type { ServerChannel } from 'ssh2'

/**
 * Writes a command's two outputs to its channel, one chunk at a time, so that at most one of them waits for the
 * client's window.
 *
 * ssh2 1.17 does not forget a chunk that had to wait once it is sent, and sends it again when the other output has to
 * wait: bytes would be doubled.
 */
export class ChannelOutput {
  readonly #channel: ServerChannel
  #turn: Promise<void> = Promise.resolve()

  constructor(channel: ServerChannel) {
    this.#channel = channel
  }

  /** Resolves when `source` has ended, or was destroyed, and everything of it was handed over. */
  async pump(source: Readable, sink: Writable): Promise<void> {
    try {
      for await (const chunk of source) {
        this.#turn = this.#turn.then(() => this.#write(sink, chunk))
        await this.#turn
      }
    } catch {
      // The channel was closed and the source destroyed.
    }
  }

  #write(sink: Writable, chunk: Buffer): Promise<void> {
    return new Promise((resolve) => {
      sink.write(chunk, () => {
        Object.assign(this.#channel, {
          _chunk: undefined,
          _chunkcb: undefined,
          _chunkErr: undefined,
          _chunkcbErr: undefined,
        })
        resolve()
      })
    })
  }
}
