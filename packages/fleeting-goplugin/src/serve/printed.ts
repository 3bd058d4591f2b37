import type { WireMessages } from '../wire/messages.ts'

type StdioData = WireMessages['StdioData']
type Channel = 'stdout' | 'stderr'

const numbers: Readonly<Record<Channel, number>> = { stdout: 1, stderr: 2 }
/** What is kept until the host asks for it, bytes; the latest is dropped. */
const maxKept = 64 * 1024

/**
 * What this process prints past its logger, for the host's stream: written to standard output it would be dropped, or
 * could block us once nobody reads. From now on `process.stdout` and `process.stderr` lead here.
 */
export class Printed {
  /** Writes to standard error itself: the logger's way. */
  readonly writeError: (text: string) => void
  #kept: StdioData[] = []
  #keptBytes = 0
  #onData: ((data: StdioData) => void) | undefined

  constructor() {
    const { stderr } = process
    const write = stderr.write.bind(stderr)
    this.writeError = (text) => void write(text)
    this.#redirect('stdout')
    this.#redirect('stderr')
  }

  /**
   * Hands over what was printed and will be; answers how to end it. One at a time: undefined when somebody listens
   * already.
   */
  listen(onData: (data: StdioData) => void): (() => void) | undefined {
    if (this.#onData !== undefined) return undefined
    this.#onData = onData
    for (const data of this.#kept) onData(data)
    this.#kept = []
    return () => {
      this.#onData = () => {}
    }
  }

  #redirect(channel: Channel): void {
    const write = (chunk: Uint8Array | string, ...more: readonly unknown[]): boolean => {
      const [encoding] = more
      const data =
        typeof chunk === 'string'
          ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
          : chunk
      this.#take({ channel: numbers[channel], data })
      const done = more.find((each) => typeof each === 'function') as (() => void) | undefined
      if (done !== undefined) process.nextTick(done)
      return true
    }
    process[channel].write = write as typeof process.stdout.write
  }

  #take(data: StdioData): void {
    if (this.#onData !== undefined) {
      this.#onData(data)
      return
    }
    this.#keptBytes += data.data.length
    if (this.#keptBytes <= maxKept) this.#kept.push(data)
  }
}
