import { isUtf8 } from 'node:buffer'

const nothing = Buffer.alloc(0)

/**
 * Turns a stream of bytes into a stream of valid UTF-8: what is not UTF-8 becomes U+FFFD, as the WHATWG decoder does
 * it, and the result does not depend on how the input was cut. Every piece that comes out ends at the end of a
 * character, so at most three bytes are kept between two calls.
 */
export class Utf8Repair {
  #pending: Buffer = nothing

  /** The repaired bytes, usually a slice of `chunk` itself. */
  push(chunk: Buffer): Buffer {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    const end = bytes.length - unfinishedCharacter(bytes)
    // Copied, since the caller may reuse its buffer.
    this.#pending = end === bytes.length ? nothing : Buffer.from(bytes.subarray(end))
    return repaired(bytes.subarray(0, end))
  }

  /** What was kept at the end: a character that never came to its end. */
  end(): Buffer {
    const rest = repaired(this.#pending)
    this.#pending = nothing
    return rest
  }
}

function repaired(bytes: Buffer): Buffer {
  return isUtf8(bytes) ? bytes : Buffer.from(bytes.toString('utf8'))
}

/**
 * How many bytes at the end belong to a character whose rest may still come. Cutting before a byte that is no
 * continuation never changes the result.
 */
function unfinishedCharacter(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if (byte < 0x80) return 0
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      return back < length ? back : 0
    }
  }
  return 0
}
