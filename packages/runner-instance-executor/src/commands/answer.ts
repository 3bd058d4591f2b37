/** Most answers to commands of this package are a few words. */
const fewBytes = 16 * 1024

/**
 * What an instance says to a command, as text whose characters are bytes. A program of the job's may stand in for the
 * one that was asked.
 */
export class Answer {
  #text = ''
  readonly #maxBytes: number

  constructor(maxBytes: number = fewBytes) {
    this.#maxBytes = maxBytes
  }

  get text(): string {
    return this.#text
  }

  /** A sink. Thrown: an `Error` once there are more bytes than allowed, 16 KiB by default. */
  readonly take = (chunk: Buffer): void => {
    if (this.#text.length + chunk.length > this.#maxBytes)
      throw new Error(`the instance returned more than ${this.#maxBytes} bytes`)
    this.#text += chunk.toString('latin1')
  }
}
