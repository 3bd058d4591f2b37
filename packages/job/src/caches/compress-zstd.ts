import { pipeline, Readable, type Transform } from 'node:stream'
import * as zlib from 'node:zlib'

/** Whether this Node can: 22.15 and later. */
export const canCompressZstd: boolean = 'createZstdCompress' in zlib

const levels: Readonly<Record<string, number>> = { fastest: 1, fast: 2, default: 3, slow: 7, slowest: 11 }

/** Compresses a stream as it comes. `level`: `fastest`, `fast`, `default`, `slow` or `slowest`; anything else is `default`. Rejects with what `source` throws. */
export async function* compressZstd(source: AsyncIterable<Buffer>, level: string): AsyncGenerator<Buffer, void, undefined> {
  const encoder: Transform = zlib.createZstdCompress({
    chunkSize: 128 * 1024,
    params: {
      [zlib.constants.ZSTD_c_compressionLevel]: levels[level.toLowerCase()] ?? 3,
      [zlib.constants.ZSTD_c_checksumFlag]: 1,
    },
  })
  // Errors of the source come out of the encoder.
  pipeline(Readable.from(source, { objectMode: false, highWaterMark: 1 }), encoder, () => {})
  try {
    yield* encoder as AsyncIterable<Buffer>
  } finally {
    encoder.destroy()
  }
}
