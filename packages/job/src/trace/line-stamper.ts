import type { LineTimes } from './line-times.ts'

const lineEnd = 0x0a

/** Puts the time in front of each line of a text that streams by: see {@link LineTimes}. */
export class LineStamper {
  readonly #times: Pick<LineTimes, 'lineStart'>
  #isAtLineStart = true

  constructor(times: Pick<LineTimes, 'lineStart'>) {
    this.#times = times
  }

  /**
   * The next bytes, with the beginning of each line that begins in them. `position`: of the first byte, or of what it
   * stands for, in the text whose times are known.
   */
  push(bytes: Buffer, position: number): Buffer {
    const parts: Buffer[] = []
    for (let at = 0; at < bytes.length; ) {
      if (this.#isAtLineStart) parts.push(Buffer.from(this.#times.lineStart(position + at)))
      const end = bytes.indexOf(lineEnd, at) + 1
      this.#isAtLineStart = end > 0
      const next = end > 0 ? end : bytes.length
      parts.push(bytes.subarray(at, next))
      at = next
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }
}
