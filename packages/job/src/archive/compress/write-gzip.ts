import { crc32 } from 'node:zlib'
import { type CompressionLevel, deflateLevels, type PackedFile } from '../packed-file.ts'
import { ahead } from './ahead.ts'
import { blocksAhead, deflateBlocks, deflateEnd } from './deflate-blocks.ts'

type Part = { readonly file: PackedFile } | { readonly bytes: Buffer; readonly packed: Promise<Buffer> }

/**
 * Files one after the other, each a gzip member of its own with its name and path, as GitLab's runner sends reports.
 * Directories and links have no place in it. The same files always come to the same bytes.
 */
export async function* writeGzip(
  files: AsyncIterable<PackedFile>,
  level: CompressionLevel,
): AsyncGenerator<Buffer, void, undefined> {
  let open: { crc: number; size: number } | undefined
  function* closed(): Generator<Buffer> {
    if (open === undefined) return
    const trailer = Buffer.alloc(8)
    trailer.writeUInt32LE(open.crc, 0)
    trailer.writeUInt32LE(open.size % 2 ** 32, 4)
    open = undefined
    yield Buffer.concat([deflateEnd, trailer])
  }
  for await (const part of ahead(partsOf(files, deflateLevels[level]), blocksAhead)) {
    if ('file' in part) {
      yield* closed()
      open = { crc: 0, size: 0 }
      yield memberHeader(part.file)
      continue
    }
    const packed = await part.packed
    open!.crc = crc32(part.bytes, open!.crc)
    open!.size += part.bytes.length
    yield packed
  }
  yield* closed()
}

async function* partsOf(files: AsyncIterable<PackedFile>, level: number): AsyncGenerator<Part, void, undefined> {
  for await (const file of files) {
    if (file.type !== 'file') continue
    yield { file }
    yield* deflateBlocks(file.bytes, level)
  }
}

function memberHeader({ path, mtime }: PackedFile): Buffer {
  const fixed = Buffer.from([0x1f, 0x8b, 8, 0x18, 0, 0, 0, 0, 0, 0xff])
  fixed.writeUInt32LE(mtime > 0 && mtime < 2 ** 32 ? Math.floor(mtime) : 0, 4)
  const name = path.subarray(path.lastIndexOf(0x2f) + 1)
  return Buffer.concat([fixed, name, Buffer.alloc(1), path, Buffer.alloc(1)])
}
