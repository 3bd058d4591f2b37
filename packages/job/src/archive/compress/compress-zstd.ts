import { pipeline, Readable, type Transform } from 'node:stream'
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { inBlocks } from './in-blocks.ts'

const blockBytes = 128 * 1024

const levels: Readonly<Record<string, number>> = { fastest: 1, fast: 2, default: 3, slow: 7, slowest: 11 }

/**
 * Compresses a stream as it comes. `level`: `fastest`, `fast`, `default`, `slow` or `slowest`; anything else is
 * `default`. The same bytes at the same level always come to the same, however they are cut. Rejects with what `source`
 * throws.
 */
export async function* compressZstd(
  source: AsyncIterable<Buffer>,
  level: string,
): AsyncGenerator<Buffer, void, undefined> {
  const encoder: Transform = zlib.createZstdCompress({
    chunkSize: 128 * 1024,
    params: params(level),
  })
  // What comes out depends on how it is cut.
  const blocks = inBlocks(source, blockBytes, () => Buffer.allocUnsafeSlow(blockBytes))
  // Errors of the source come out of the encoder.
  pipeline(Readable.from(blocks, { objectMode: false, highWaterMark: 1 }), encoder, () => {})
  try {
    yield* encoder as AsyncIterable<Buffer>
  } finally {
    encoder.destroy()
  }
}

/** Compresses what is in the memory, on another thread. */
export function compressZstdWhole(bytes: Buffer, level: string): Promise<Buffer> {
  return promisify(zlib.zstdCompress)(bytes, { params: params(level) })
}

function params(level: string): zlib.ZstdOptions['params'] {
  return {
    [zlib.constants.ZSTD_c_compressionLevel]: levels[level.toLowerCase()] ?? 3,
    [zlib.constants.ZSTD_c_checksumFlag]: 1,
  }
}
