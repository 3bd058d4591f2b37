const mask = Buffer.from('[MASKED]')

interface Span {
  readonly start: number
  readonly end: number
}

/** Bytes of the text at hand, and where in the whole text they begin. */
export interface Piece {
  readonly start: number
  readonly bytes: Buffer
}

/**
 * Puts `[MASKED]` in the place of spans of a text that streams by. Spans that overlap are one; spans that only touch
 * stay two. Positions are counted in bytes from the beginning of the text.
 */
export class MaskedOutput {
  readonly #sink: (bytes: Buffer, position: number) => void
  /** Spans that are not passed on yet, in order and disjoint. */
  readonly #spans: Span[] = []
  /** Everything before it is passed on. It stands beyond what was released only by the span that was replaced last. */
  #passed = 0

  /** `sink` also gets where in the text its bytes begin, or what they stand for. */
  constructor(sink: (bytes: Buffer, position: number) => void) {
    this.#sink = sink
  }

  /**
   * Masks the span from `start` up to, not including, `end`. It may begin in a span that was replaced already: then it
   * makes that one longer.
   */
  add(start: number, end: number): void {
    if (start >= end) return
    let first = this.#spans.length
    while (first > 0 && this.#spans[first - 1]!.end > start) first--
    let next = first
    let merged: Span = { start, end }
    for (; next < this.#spans.length && this.#spans[next]!.start < end; next++)
      merged = union(merged, this.#spans[next]!)
    const isLonger = merged.start < this.#passed
    this.#spans.splice(first, next - first, ...(isLonger ? [] : [merged]))
    if (isLonger) this.#passed = Math.max(this.#passed, merged.end)
  }

  /**
   * Passes on everything before `limit`: no span that is added later begins there. `pieces`, in order, hold all of it
   * that was not passed on yet.
   */
  release(limit: number, pieces: readonly Piece[]): void {
    let replaced = 0
    for (const { start, end } of this.#spans) {
      if (start >= limit) break
      this.#pass(start, pieces)
      this.#sink(mask, start)
      this.#passed = end
      replaced++
    }
    this.#spans.splice(0, replaced)
    this.#pass(limit, pieces)
  }

  #pass(limit: number, pieces: readonly Piece[]): void {
    for (const { start, bytes } of pieces) {
      const from = Math.max(this.#passed - start, 0)
      const to = Math.min(limit - start, bytes.length)
      if (from < to) this.#sink(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), start + from)
    }
    this.#passed = Math.max(this.#passed, limit)
  }
}

function union(a: Span, b: Span): Span {
  return { start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) }
}
