import { Duplex } from 'node:stream'
import type { Channel } from 'ssh2'

/**
 * A forwarded byte stream with the manners of a socket: it can be destroyed, and a lost connection is an error, not an
 * end.
 */
export class Tunnel extends Duplex {
  readonly #channel: Channel

  constructor(channel: Channel) {
    super({ allowHalfOpen: true })
    this.#channel = channel
    channel.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) channel.pause()
    })
    channel.once('end', () => this.push(null))
    // What came before is still to be read.
    channel.once('close', () => (this.readableEnded ? this.destroy() : this.once('end', () => this.destroy())))
    channel.on('error', () => {})
  }

  override _read(): void {
    this.#channel.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#channel.write(chunk)) done()
    else this.#channel.once('drain', done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // Read on, or the channel's end would never be noticed.
    this.#channel.removeAllListeners('data').resume()
    this.#channel.close()
    done(error)
  }
}
