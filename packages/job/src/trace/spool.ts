import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SpoolOptions {
  /** Bytes kept in memory before the oldest go to a file. */
  readonly memoryBytes: number
  /** Directory of that file. Default: the system's for temporary files. */
  readonly directory?: string | undefined
}

interface Block {
  /** Where the block's first byte stands in the whole. */
  readonly start: number
  readonly bytes: Buffer
  used: number
  /** Whether a reader may hold a part of {@link bytes}. */
  isShared: boolean
}

const smallestBlockBytes = 4 * 1024
const largestBlockBytes = 64 * 1024

/**
 * Bytes that are appended at the end and can be read anywhere, as often as one likes. The newest stand in memory, the
 * others in a file that nobody else can open: it is private, and loses its name as soon as it is open, so that nothing
 * is left of it however the process ends.
 */
export class Spool {
  readonly #options: SpoolOptions
  readonly #blocks: Block[] = []
  /**
   * Memory of blocks that were moved to the file, to be filled again: the garbage collector would not keep up with a
   * job that prints a lot.
   */
  readonly #spares: Buffer[] = []
  #size = 0
  #file: FileHandle | undefined
  #spill: Promise<void> | undefined
  #error: Error | undefined

  constructor(options: SpoolOptions) {
    this.#options = options
  }

  /** Bytes appended so far. */
  get size(): number {
    return this.#size
  }

  /** Why nothing can be written to the file; what was appended until then can still be read. */
  get error(): Error | undefined {
    return this.#error
  }

  /** Appends a copy of `bytes`. */
  append(bytes: Buffer): void {
    let rest = bytes
    while (rest.length > 0) {
      const block = this.#blockWithRoom()
      const copied = rest.copy(block.bytes, block.used)
      block.used += copied
      this.#size += copied
      rest = rest.subarray(copied)
    }
    if (this.#memoryBytes > this.#options.memoryBytes && !this.#error) {
      this.#spill ??= this.#spillOldest().finally(() => {
        this.#spill = undefined
      })
    }
  }

  /** A promise while twice as much stands in memory as should: it resolves when there is room again. */
  backlog(): Promise<void> | undefined {
    return this.#memoryBytes > 2 * this.#options.memoryBytes ? this.#spill : undefined
  }

  /**
   * Up to `maxBytes` from `offset` on; fewer where the end is near, or where memory and file meet. The caller must not
   * change them. Rejects with what the file system threw.
   */
  read(offset: number, maxBytes: number): Buffer | Promise<Buffer> {
    const inFile = this.#memoryStart - offset
    if (inFile > 0) return this.#readFile(offset, Math.min(inFile, maxBytes))
    const end = Math.min(offset + maxBytes, this.#size)
    const blocks = this.#blocks.filter(({ start, used }) => start < end && offset < start + used)
    const slices = blocks.map(({ start, bytes, used }) =>
      bytes.subarray(Math.max(offset - start, 0), Math.min(end - start, used)),
    )
    if (slices.length > 1) return Buffer.concat(slices)
    for (const block of blocks) block.isShared = true
    return slices[0] ?? Buffer.alloc(0)
  }

  /**
   * Gives memory and file back. Nothing can be appended or read afterwards. Never rejects: a file without a name needs
   * nothing more.
   */
  async close(): Promise<void> {
    await this.#spill
    this.#blocks.length = 0
    this.#spares.length = 0
    await this.#file?.close().catch(() => {})
    this.#file = undefined
  }

  get #memoryStart(): number {
    return this.#blocks[0]?.start ?? this.#size
  }

  get #memoryBytes(): number {
    return this.#size - this.#memoryStart
  }

  #blockWithRoom(): Block {
    const last = this.#blocks.at(-1)
    if (last && last.used < last.bytes.length) return last
    // As much again as there is: small for a job that prints little, few for one that prints much.
    const bytes =
      this.#spares.pop() ?? Buffer.allocUnsafe(Math.min(Math.max(this.#size, smallestBlockBytes), largestBlockBytes))
    const block = { start: this.#size, bytes, used: 0, isShared: false }
    this.#blocks.push(block)
    return block
  }

  /**
   * Moves blocks to the file until half of what may stand in memory is left, but never the last one, which is still
   * being filled.
   */
  async #spillOldest(): Promise<void> {
    try {
      this.#file ??= await openPrivateFile(this.#options.directory ?? tmpdir())
      while (this.#memoryBytes > this.#options.memoryBytes / 2 && this.#blocks.length > 1) {
        const block = this.#blocks[0]!
        const { start, bytes, used } = block
        let written = 0
        while (written < used)
          written += (await this.#file.write(bytes, written, used - written, start + written)).bytesWritten
        this.#blocks.shift()
        // Asked only now: it may have been read while it was written.
        if (!block.isShared) this.#spares.push(bytes)
      }
    } catch (error) {
      this.#error = error as Error
    }
  }

  async #readFile(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length)
    const { bytesRead } = await this.#file!.read(buffer, 0, length, offset)
    return buffer.subarray(0, bytesRead)
  }
}

async function openPrivateFile(directory: string): Promise<FileHandle> {
  const path = join(directory, `runner-core-trace-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}
