import { ArchiveError } from '../archive-error.ts'
import { hasTarChecksum } from '../archive-format.ts'
import { BlockReader } from '../block-reader.ts'
import { readTarHeader, type TarHeader } from './tar-header.ts'

/** An entry of a tar stream, under the name that it was asked for by. */
export interface MachineTarMember {
  readonly header: TarHeader
  /** Those that are not read are skipped. */
  readonly bytes: AsyncIterable<Buffer>
}

/** A path on Linux is no longer. */
const longestName = 8192
const largestPiece = 256 * 1024

/**
 * What tar on a job's machine, GNU's in its own format or busybox's, says of files of the job: several archives may
 * follow each other. Nothing is unpacked from it, so names are taken as they are.
 *
 * Thrown: {@link ArchiveError} `damaged`; what `source` throws.
 */
export async function* readMachineTar(
  source: AsyncIterable<Buffer>,
): AsyncGenerator<MachineTarMember, void, undefined> {
  const blocks = new BlockReader(source)
  let long: { readonly name?: Buffer; readonly linkname?: Buffer } = {}
  try {
    for (;;) {
      const block = await blocks.take(512)
      if (block.length === 0) return
      if (block.every((byte) => byte === 0)) continue
      const header = block.length === 512 && hasTarChecksum(block) ? readTarHeader(block) : undefined
      if (header === undefined) throw new ArchiveError('damaged', "the output of the instance's tar cannot be read")
      const { typeflag, size } = header
      const padding = (512 - (size % 512)) % 512
      if (typeflag === 'L' || typeflag === 'K') {
        if (size > longestName) throw new ArchiveError('damaged', `a name of ${size} bytes`)
        const bytes = await blocks.take(size + padding)
        const name = bytes.subarray(0, bytes.indexOf(0))
        long = { ...long, ...(typeflag === 'L' ? { name } : { linkname: name }) }
        continue
      }
      let left = size
      yield {
        header: { ...header, ...long },
        bytes: (async function* () {
          while (left > 0) {
            const piece = await blocks.some(Math.min(left, largestPiece))
            if (piece === undefined) throw cutShort()
            left -= piece.length
            yield piece
          }
        })(),
      }
      long = {}
      for (let skipped = left + padding; skipped > 0; ) {
        const piece = await blocks.some(Math.min(skipped, largestPiece))
        if (piece === undefined) throw cutShort()
        skipped -= piece.length
      }
    }
  } finally {
    await blocks.close()
  }
}

function cutShort(): ArchiveError {
  return new ArchiveError('damaged', "the output of the instance's tar is truncated")
}
