/** Answers to commands of this package are a few words. */
const mostBytes = 16 * 1024

/** What an instance says to a command, as text whose characters are bytes. A program of the job's may stand in for the one that was asked. */
export class Answer {
  #text = ''

  get text(): string {
    return this.#text
  }

  /** A sink. Thrown: an `Error` once there are more than 16 KiB. */
  readonly take = (chunk: Buffer): void => {
    if (this.#text.length + chunk.length > mostBytes) throw new Error(`the instance answered more than ${mostBytes} bytes`)
    this.#text += chunk.toString('latin1')
  }
}
