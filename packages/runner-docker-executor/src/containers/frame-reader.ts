import { EngineError } from '../engine/engine-error.ts'

/** A piece of what a container printed. */
export interface OutputFrame {
  readonly stream: 'stdout' | 'stderr'
  readonly bytes: Buffer
}

const headerBytes = 8

/**
 * Takes apart what an Engine sends of a container without a terminal: frames of a header of 8 bytes (which stream, and
 * how long) and what was printed. Wherever chunks end, it holds back no more than a header.
 *
 * @see https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
 */
export class FrameReader {
  #header: Buffer = Buffer.alloc(0)
  #stream: OutputFrame['stream'] = 'stdout'
  #left = 0

  /** Thrown: `EngineError` `failed` where the bytes are no frames. */
  push(chunk: Buffer): OutputFrame[] {
    const frames: OutputFrame[] = []
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#left === 0) {
        const missing = headerBytes - this.#header.length
        this.#header = Buffer.concat([this.#header, rest.subarray(0, missing)])
        rest = rest.subarray(missing)
        if (this.#header.length < headerBytes) break
        this.#open(this.#header)
        this.#header = Buffer.alloc(0)
        continue
      }
      const bytes = rest.subarray(0, this.#left)
      frames.push({ stream: this.#stream, bytes })
      this.#left -= bytes.length
      rest = rest.subarray(bytes.length)
    }
    return frames
  }

  #open(header: Buffer): void {
    const [kind, ...zeros] = header.subarray(0, 4)
    if (kind === undefined || kind > 2 || zeros.some((byte) => byte !== 0))
      throw new EngineError('failed', 'the Engine sent something else than the output of a container')
    this.#stream = kind === 2 ? 'stderr' : 'stdout'
    this.#left = header.readUInt32BE(4)
  }
}
