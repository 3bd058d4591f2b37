/** The same, but up to `count` are asked for before they are wanted, so that their making overlaps. */
export async function* ahead<T>(source: AsyncGenerator<T, void, undefined>, count: number): AsyncGenerator<T, void, undefined> {
  const coming: Promise<IteratorResult<T, void>>[] = []
  const ask = (): void => {
    const next = source.next()
    // Whoever waits for it hears of it.
    next.catch(() => {})
    coming.push(next)
  }
  try {
    for (let asked = 0; asked < count; asked++) ask()
    for (;;) {
      const next = await coming.shift()!
      if (next.done === true) return
      ask()
      yield next.value
    }
  } finally {
    await source.return()
  }
}

/** A stream in pieces of `size` bytes; the last one may be shorter, and none is empty. */
export async function* inBlocks(source: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer, void, undefined> {
  let kept: Buffer[] = []
  let length = 0
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + size - length)
      kept.push(part)
      length += part.length
      at += part.length
      if (length < size) continue
      yield kept.length === 1 ? part : Buffer.concat(kept, length)
      kept = []
      length = 0
    }
  }
  if (length > 0) yield Buffer.concat(kept, length)
}
