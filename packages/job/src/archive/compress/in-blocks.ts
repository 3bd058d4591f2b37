/**
 * A stream in pieces of `size` bytes, each copied to the memory that `next` gives for it; the last one may be shorter,
 * and none is empty.
 */
export async function* inBlocks(
  source: AsyncIterable<Buffer>,
  size: number,
  next: () => Buffer,
): AsyncGenerator<Buffer, void, undefined> {
  let block: Buffer | undefined
  let length = 0
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      block ??= next()
      const copied = chunk.copy(block, length, at, at + size - length)
      length += copied
      at += copied
      if (length < size) continue
      yield block
      block = undefined
      length = 0
    }
  }
  if (block !== undefined) yield block.subarray(0, length)
}
