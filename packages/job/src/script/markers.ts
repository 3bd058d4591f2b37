/**
 * How the generated script tells the manager, within its output, where it is. A marker is `RS nonce SP body RS`, with
 * RS the byte 0x1e. The nonce is known to the generated script alone, and gone from the shell's variables before the
 * user's first line runs, so that no output can pose as a marker. Each is written with one `write` of less than a
 * pipe's atomic size, without a line end, so that nothing can get in between.
 *
 * - `host NAME DIRECTORY`: the build directory stands; the machine's name and the login's directory.
 * - `begin STAGE UPTIME`: the stage before ended well, this one begins; the seconds that the machine had been up then,
 *   missing where it does not tell.
 * - `end STATUS UPTIME`: the stage under way ended with this exit status, and no other follows.
 * - `jobenv`: what steps left in `GITLAB_ENV` is still there, when all else was cleaned up.
 * - `unwritable KIB INODES ERROR`: why the `end` that follows is a failure, perhaps: a small file cannot be written,
 *   with what room there is.
 * - `failed CODE`: why the `end` that follows is a failure.
 * - `unkept`: the job changed start-up files of its login, and they could not be put back: the machine is to serve no
 *   other job.
 * - `swept`: the script's own clean-up is done, and no process of the job is left.
 * - `unswept`: the same, but something of the job may still run.
 *
 * @module
 */

const separator = 0x1e

/** Shell text that emits markers: one `printf`, hence one write. `arguments_` are words for the `%s` in the bodies. */
export function emitMarkers(nonce: string, bodies: readonly string[], arguments_: readonly string[] = []): string {
  const format = bodies.map((body) => `\\036${nonce} ${body}\\036`).join('')
  return `printf '${format}'${arguments_.map((word) => ` ${word}`).join('')}`
}

/** A piece of what a script printed: its output as it came, or a marker's body. */
export type OutputPiece =
  | { readonly output: Buffer }
  | { readonly marker: string /** Its length as it was printed, bytes. */; readonly size: number }

/**
 * A marker is one `write` of less than this, which is a pipe's atomic size: what begins like one and is longer is
 * output.
 */
const longestMarker = 4096

/**
 * Takes the markers out of a stream of output, wherever chunks end. Holds back only what may be the beginning of one, 4
 * KiB at most.
 */
export class MarkerFilter {
  readonly #start: Buffer
  #held: Buffer | undefined

  constructor(nonce: string) {
    this.#start = Buffer.from(`\x1e${nonce} `)
  }

  /** The pieces that are complete with `chunk`, in order. */
  push(chunk: Buffer): OutputPiece[] {
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = undefined
    const pieces: OutputPiece[] = []
    let [at, from] = [0, 0]
    for (;;) {
      const start = bytes.indexOf(this.#start, from)
      const end = start < 0 ? -1 : bytes.indexOf(separator, start + this.#start.length)
      const length = (end < 0 ? bytes.length : end + 1) - start
      if (start >= 0 && (length > longestMarker || (end < 0 && length === longestMarker))) {
        from = start + this.#start.length
        continue
      }
      if (end < 0) {
        const hold = start < 0 ? this.#partialStart(bytes, from) : start
        if (hold > at) pieces.push({ output: bytes.subarray(at, hold) })
        if (hold < bytes.length) this.#held = bytes.subarray(hold)
        return pieces
      }
      if (start > at) pieces.push({ output: bytes.subarray(at, start) })
      pieces.push({ marker: bytes.toString('utf8', start + this.#start.length, end), size: end + 1 - start })
      at = end + 1
      from = at
    }
  }

  /** What is still held back when the stream has ended: output that only looked like a marker. */
  end(): OutputPiece[] {
    const held = this.#held
    this.#held = undefined
    return held === undefined ? [] : [{ output: held }]
  }

  /**
   * Where the rest of `bytes` is the beginning of a marker's start; its length when it is not. The separator occurs in
   * a start only as its first byte.
   */
  #partialStart(bytes: Buffer, from: number): number {
    const last = bytes.lastIndexOf(separator)
    if (last < from || bytes.length - last > this.#start.length) return bytes.length
    return this.#start.subarray(0, bytes.length - last).equals(bytes.subarray(last)) ? last : bytes.length
  }
}
