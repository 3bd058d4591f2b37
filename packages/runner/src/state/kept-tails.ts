import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Seal, sealBytesMore } from './seal.ts'

/** Up to `maxBytes` from `offset` on, at least one if there is one; as `Trace.read`. */
export type ReadBytes = (offset: number, maxBytes: number) => Buffer | Promise<Buffer>

export interface KeptTailsOptions {
  /** Of this alone, beside the state. Made when it is needed. */
  readonly directory: string
  readonly seal: Seal
  /** Bytes of all files. Beyond that the oldest are removed. Default 256 MiB. */
  readonly limitBytes?: number
  /** Told of a file that was removed since there are too many. Must not throw. */
  readonly onRemoved?: (name: string) => void
}

const chunkBytes = 256 * 1024
const sealedChunkBytes = chunkBytes + sealBytesMore

/**
 * The rests of traces that the coordinator does not have yet, each in an encrypted file that is written and read in
 * pieces: none is ever in memory as a whole.
 */
export class KeptTails {
  readonly #options: KeptTailsOptions

  constructor(options: KeptTailsOptions) {
    this.#options = options
  }

  /**
   * Keeps what `read` gives from `start` to `end`. Answers the file's name. Rejects with what the file system says, or
   * `read`; nothing is left then.
   */
  async write(jobId: number, read: ReadBytes, start: number, end: number): Promise<string> {
    const { directory, seal } = this.#options
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await this.#makeRoom(end - start)
    const name = `${jobId}-${randomUUID()}`
    const part = join(directory, `${name}.part`)
    try {
      await using file = await open(part, 'wx', 0o600)
      for (let [at, index] = [start, 0]; at < end; index++) {
        const chunk = await readWhole(read, at, Math.min(chunkBytes, end - at))
        await file.writeFile(seal.sealBytes(chunk, placeOf(name, index)))
        at += chunk.length
      }
      await rename(part, join(directory, name))
      return name
    } catch (error) {
      await rm(part, { force: true })
      throw error
    }
  }

  /** A piece of what was kept; empty beyond its end. Rejects when the file is gone, or damaged. */
  async read(name: string, offset: number, maxBytes: number): Promise<Buffer> {
    const { directory, seal } = this.#options
    const index = Math.floor(offset / chunkBytes)
    await using file = await open(join(directory, name), 'r')
    const { buffer, bytesRead } = await file.read(
      Buffer.allocUnsafe(sealedChunkBytes),
      0,
      sealedChunkBytes,
      index * sealedChunkBytes,
    )
    if (bytesRead === 0) return Buffer.alloc(0)
    const from = offset - index * chunkBytes
    return seal.openBytes(buffer.subarray(0, bytesRead), placeOf(name, index)).subarray(from, from + maxBytes)
  }

  /** Never rejects: what is left is removed at the next start. */
  async remove(name: string): Promise<void> {
    await rm(join(this.#options.directory, name), { force: true }).catch(() => {})
  }

  /**
   * Removes what no end needs any more: a process may have been killed between a file and its record. Never rejects.
   */
  async sweep(needed: ReadonlySet<string>): Promise<void> {
    for (const name of await this.#names()) if (!needed.has(name)) await this.remove(name)
  }

  async #names(): Promise<readonly string[]> {
    return await readdir(this.#options.directory).catch(() => [])
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { directory, limitBytes = 256 * 1024 * 1024, onRemoved } = this.#options
    const files: { readonly name: string; readonly size: number; readonly at: number }[] = []
    for (const name of await this.#names()) {
      const file = await stat(join(directory, name)).catch(() => undefined)
      if (file !== undefined) files.push({ name, size: file.size, at: file.mtimeMs })
    }
    let total = files.reduce((sum, { size }) => sum + size, bytes)
    for (const { name, size } of files.toSorted((a, b) => a.at - b.at)) {
      if (total <= limitBytes) break
      total -= size
      await this.remove(name)
      onRemoved?.(name)
    }
  }
}

async function readWhole(read: ReadBytes, start: number, length: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let at = 0; at < length; at += pieces.at(-1)!.length) {
    const piece = await read(start + at, length - at)
    if (piece.length === 0) throw new RangeError(`the trace ends at byte ${start + at}`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

function placeOf(name: string, index: number): string {
  return `tail ${name} ${index}`
}
