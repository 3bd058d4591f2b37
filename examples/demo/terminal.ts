import type { WriteStream } from 'node:tty'

const hideCursor = '\x1b[?25l'
const showCursor = '\x1b[?25h'
const clearToEndOfLine = '\x1b[K'
const clearBelow = '\x1b[J'

/** Redraws a block of lines in place: each frame is one write over the last one, so nothing flickers. */
export class FrameWriter implements Disposable {
  readonly #out: WriteStream
  #drawnLines = 0

  constructor(out: WriteStream) {
    this.#out = out
    out.write(hideCursor)
  }

  draw(lines: readonly string[]): void {
    const up = this.#drawnLines === 0 ? '' : `\x1b[${this.#drawnLines}A`
    this.#out.write(`${up}\r${lines.map((line) => `${line}${clearToEndOfLine}\n`).join('')}${clearBelow}`)
    this.#drawnLines = lines.length
  }

  /** Leaves the last frame standing and gives the cursor back. */
  [Symbol.dispose](): void {
    this.#out.write(showCursor)
  }
}
