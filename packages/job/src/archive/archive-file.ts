import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ArchiveError } from './archive-error.ts'

export interface ArchiveFileOptions {
  /** Default: the system's for temporary files. */
  readonly directory?: string | undefined
  /** Bytes it may have at most. */
  readonly limitBytes: number
}

const readBytes = 256 * 1024

/**
 * A whole archive on the manager's disk: a zip's list of contents is at its end, and all of an archive is looked at
 * before any of it is unpacked. Private, and without a name, so that nothing is left of it however the process ends.
 */
export class ArchiveFile {
  readonly handle: FileHandle
  readonly size: number

  private constructor(handle: FileHandle, size: number) {
    this.handle = handle
    this.size = size
  }

  /** Thrown: {@link ArchiveError} `too_large`, `no_space`; what the file system or `source` throws. */
  static async receive(
    source: AsyncIterable<Buffer>,
    { directory = tmpdir(), limitBytes }: ArchiveFileOptions,
  ): Promise<ArchiveFile> {
    const path = join(directory, `runner-core-archive-${randomUUID()}`)
    const handle = await open(path, 'wx+', 0o600)
    let size = 0
    try {
      await unlink(path)
      for await (const chunk of source) {
        if (size + chunk.length > limitBytes)
          throw new ArchiveError('too_large', `the archive is refused: it has more than ${limitBytes} bytes`)
        let written = 0
        while (written < chunk.length)
          written += (await handle.write(chunk, written, chunk.length - written, size + written)).bytesWritten
        size += chunk.length
      }
    } catch (error) {
      await handle.close()
      if (!['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
      throw new ArchiveError(
        'no_space',
        `the manager has no space for the archive in ${directory}: ${(error as Error).message}`,
        {
          cause: error,
        },
      )
    }
    return new ArchiveFile(handle, size)
  }

  /** Up to `length` bytes from `start` on; fewer at the end. */
  async readAt(start: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(Math.min(length, Math.max(0, this.size - start)))
    let read = 0
    while (read < buffer.length) {
      const { bytesRead } = await this.handle.read(buffer, read, buffer.length - read, start + read)
      if (bytesRead === 0) break
      read += bytesRead
    }
    return buffer.subarray(0, read)
  }

  /** `length` bytes from `start` on, in pieces. */
  async *stream(start = 0, length: number = this.size - start): AsyncGenerator<Buffer, void, undefined> {
    for (let at = start; at < start + length; ) {
      const piece = await this.readAt(at, Math.min(readBytes, start + length - at))
      if (piece.length === 0) return
      at += piece.length
      yield piece
    }
  }

  async close(): Promise<void> {
    await this.handle.close()
  }
}
