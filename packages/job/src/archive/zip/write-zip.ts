import { crc32 } from 'node:zlib'
import { ahead } from '../compress/ahead.ts'
import { compressZstd, compressZstdWhole } from '../compress/compress-zstd.ts'
import { blockBytes, blocksAhead, deflateBlocks, deflateEnd, deflateWhole } from '../compress/deflate-blocks.ts'
import { type CompressionLevel, deflateLevels, type PackedFile } from '../packed-file.ts'
import { BytePages } from './byte-pages.ts'
import { centralHeader, dataDescriptor, endOfZip, localHeader, type ZipMember } from './zip-records.ts'

type Part =
  | {
      readonly kind: 'whole'
      readonly file: PackedFile
      readonly bytes: Buffer
      readonly packed: Promise<Buffer | undefined>
    }
  | { readonly kind: 'begin'; readonly file: PackedFile }
  | { readonly kind: 'block'; readonly bytes: Buffer; readonly packed: Promise<Buffer> }
  | { readonly kind: 'packed'; readonly bytes: Buffer }
  | { readonly kind: 'told'; readonly crc: number; readonly size: number }

/** `zstd`: as GitLab's runner writes them for the format `zipzstd`; `unzip` cannot read it. */
export type ZipMethod = 'deflate' | 'zstd'

/**
 * A zip archive as a stream, in the order of `files`. The same files always come to the same bytes: nothing of the time
 * at which it is made is in it. Large files are packed in blocks, several at once on other threads; besides those only
 * the directory of names is in the memory, some 100 bytes for each.
 */
export async function* writeZip(
  files: AsyncIterable<PackedFile>,
  level: CompressionLevel,
  packing: ZipMethod = 'deflate',
): AsyncGenerator<Buffer, void, undefined> {
  const method = methods[packing]
  const end = packing === 'deflate' ? deflateEnd : Buffer.alloc(0)
  const directory = new BytePages()
  let offset = 0
  let open: { readonly member: ZipMember; crc: number; packedSize: number; size: number } | undefined
  const counted = (bytes: Buffer): Buffer => {
    offset += bytes.length
    return bytes
  }
  function* closed(): Generator<Buffer> {
    if (open === undefined) return
    const { crc, packedSize, size } = open
    const member = { ...open.member, crc, size, packedSize: packedSize + end.length }
    open = undefined
    yield counted(end)
    yield counted(dataDescriptor(member))
    directory.add(centralHeader(member))
  }
  for await (const part of ahead(partsOf(files, level, packing), blocksAhead)) {
    if (part.kind === 'block') {
      const packed = await part.packed
      open!.crc = crc32(part.bytes, open!.crc)
      open!.size += part.bytes.length
      open!.packedSize += packed.length
      yield counted(packed)
      continue
    }
    if (part.kind === 'packed') {
      open!.packedSize += part.bytes.length
      yield counted(part.bytes)
      continue
    }
    if (part.kind === 'told') {
      open!.crc = part.crc
      open!.size = part.size
      continue
    }
    yield* closed()
    if (part.kind === 'begin') {
      const member: ZipMember = {
        ...describe(part.file),
        method,
        isStreamed: true,
        crc: 0,
        size: part.file.size,
        packedSize: 0,
        offset,
      }
      open = { member, crc: 0, packedSize: 0, size: 0 }
      yield counted(localHeader(member))
      continue
    }
    const { file, bytes } = part
    const packed = await part.packed
    const member: ZipMember = {
      ...describe(file),
      method: packed === undefined ? 0 : method,
      isStreamed: false,
      crc: crc32(bytes, 0),
      size: bytes.length,
      packedSize: (packed ?? bytes).length,
      offset,
    }
    directory.add(centralHeader(member))
    yield counted(localHeader(member))
    if (bytes.length > 0) yield counted(packed ?? bytes)
  }
  yield* closed()
  yield* directory
  yield endOfZip({ entries: directory.records, size: directory.length, offset })
}

const methods: Readonly<Record<ZipMethod, 8 | 93>> = { deflate: 8, zstd: 93 }

async function* partsOf(
  files: AsyncIterable<PackedFile>,
  level: CompressionLevel,
  packing: ZipMethod,
): AsyncGenerator<Part, void, undefined> {
  for await (const file of files) {
    if (file.type !== 'file') {
      const bytes = file.type === 'symlink' ? file.target : Buffer.alloc(0)
      yield { kind: 'whole', file, bytes, packed: Promise.resolve(undefined) }
      continue
    }
    if (file.size > blockBytes) {
      yield { kind: 'begin', file }
      if (packing === 'zstd') yield* zstdParts(file.bytes, level)
      else for await (const block of deflateBlocks(file.bytes, deflateLevels[level])) yield { kind: 'block', ...block }
      continue
    }
    const bytes = await wholeOf(file.bytes)
    const packed = packing === 'zstd' ? zstdWhole(bytes, level) : deflateWhole(bytes, deflateLevels[level])
    // Whoever waits for it hears of it; nobody may, any more.
    packed.catch(() => {})
    yield { kind: 'whole', file, bytes, packed }
  }
}

/** One after the other: a file is one frame, since not every reader goes on after the first. */
async function* zstdParts(
  source: AsyncIterable<Buffer>,
  level: CompressionLevel,
): AsyncGenerator<Part, void, undefined> {
  let [crc, size] = [0, 0]
  const told = async function* (): AsyncGenerator<Buffer, void, undefined> {
    for await (const bytes of source) {
      crc = crc32(bytes, crc)
      size += bytes.length
      yield bytes
    }
  }
  for await (const bytes of compressZstd(told(), level)) yield { kind: 'packed', bytes }
  yield { kind: 'told', crc, size }
}

/** Undefined where it would not be shorter. */
async function zstdWhole(bytes: Buffer, level: CompressionLevel): Promise<Buffer | undefined> {
  const packed = await compressZstdWhole(bytes, level)
  return packed.length < bytes.length ? packed : undefined
}

async function wholeOf(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

function describe({ path, type, mode, mtime }: PackedFile): Pick<ZipMember, 'name' | 'mode' | 'mtime' | 'isDirectory'> {
  const isDirectory = type === 'directory'
  const name = isDirectory ? Buffer.concat([path, Buffer.from('/')]) : path
  return { name, mode: typeBits[type] | mode, mtime, isDirectory }
}

const typeBits: Readonly<Record<PackedFile['type'], number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
}
