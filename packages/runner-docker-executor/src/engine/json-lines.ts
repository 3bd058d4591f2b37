import type { Readable } from 'node:stream'
import { EngineError } from './engine-error.ts'

/** Longest line, bytes. The Engine's progress messages are far shorter; an error message may quote a registry. */
const maxLineBytes = 256 * 1024

/**
 * The values that an Engine sends one a line. A line that is not JSON is ignored. Thrown: `EngineError` `failed` for a
 * longer line than an Engine sends; what the stream ends with.
 */
export async function* jsonLines(stream: Readable): AsyncGenerator<unknown, void, undefined> {
  let rest: Buffer[] = []
  let restBytes = 0
  const append = (piece: Buffer): void => {
    restBytes += piece.length
    if (restBytes > maxLineBytes)
      throw new EngineError('failed', `the Engine sends a message of more than ${maxLineBytes} bytes`)
    rest.push(piece)
  }
  const take = (): unknown => {
    const text = Buffer.concat(rest).toString()
    rest = []
    restBytes = 0
    try {
      return JSON.parse(text)
    } catch {
      return undefined
    }
  }
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let start = 0
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      append(chunk.subarray(start, end))
      start = end + 1
      const value = take()
      if (value !== undefined) yield value
    }
    // Copied, so that a short rest does not keep a long chunk.
    if (start < chunk.length) append(Buffer.from(chunk.subarray(start)))
  }
  const value = take()
  if (value !== undefined) yield value
}
