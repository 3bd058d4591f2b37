import { pipeline, Readable, type Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { ArchiveError } from '../archive-error.ts'

export type Compression = 'gzip' | 'zstd' | 'deflate'

/**
 * What was compressed, as it comes. Ends when the source does.
 *
 * Thrown: {@link ArchiveError} `damaged`, also at the end when a checksum does not fit; what `source` throws.
 */
export async function* decompress(
  source: AsyncIterable<Buffer>,
  compression: Compression,
): AsyncGenerator<Buffer, void, undefined> {
  const decoder = createDecoder(compression)
  let sourceError: unknown
  const watched = async function* (): AsyncGenerator<Buffer> {
    try {
      yield* source
    } catch (error) {
      sourceError = error
      throw error
    }
  }
  // Errors of either come out of the decoder.
  pipeline(Readable.from(watched(), { objectMode: false, highWaterMark: 1 }), decoder, () => {})
  try {
    yield* decoder as AsyncIterable<Buffer>
  } catch (error) {
    if (sourceError !== undefined) throw sourceError
    throw new ArchiveError('damaged', `the archive is damaged: ${(error as Error).message}`, { cause: error })
  } finally {
    decoder.destroy()
  }
}

function createDecoder(compression: Compression): Transform {
  const chunkSize = 128 * 1024
  if (compression === 'gzip') return zlib.createGunzip({ chunkSize })
  if (compression === 'deflate') return zlib.createInflateRaw({ chunkSize })
  return zlib.createZstdDecompress({ chunkSize })
}
