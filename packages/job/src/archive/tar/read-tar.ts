import type { ArchiveEntry } from '../archive-entry.ts'
import { ArchiveError } from '../archive-error.ts'
import { hasTarChecksum } from '../archive-format.ts'
import { BlockReader } from '../block-reader.ts'
import { entryPath, linkTarget } from '../entry-path.ts'
import { readTarHeader, type TarHeader } from './tar-header.ts'

/** An entry of a tar archive and, for a file, its content. Content that is not read is skipped. */
export interface TarMember {
  readonly entry: ArchiveEntry
  readonly bytes: AsyncIterable<Buffer>
}

/** Maximum size of an extension header, which holds a long name or the like, bytes. Genuine archives need less. */
const longestExtension = 1024 * 1024
const largestPiece = 256 * 1024

/**
 * Reads a tar archive (ustar, pax or GNU) as a stream and checks each name. `onHeader` is called for every header,
 * including those of long names, before the header is processed, and may throw.
 *
 * @throws {@link ArchiveError} `unsafe`, `damaged` or `unsupported`, and whatever `source` throws.
 */
export async function* readTar(
  source: AsyncIterable<Buffer>,
  onHeader: () => void,
): AsyncGenerator<TarMember, void, undefined> {
  const blocks = new BlockReader(source)
  let extension: Extension = {}
  try {
    for (;;) {
      const block = await blocks.take(512)
      if (block.length === 512 && block.every((byte) => byte === 0)) break
      // A complete archive ends with a block of zeros.
      if (block.length < 512) throw damaged('it is truncated')
      const header = hasTarChecksum(block) ? readTarHeader(block) : undefined
      if (header === undefined) throw damaged('a header is missing')
      onHeader()
      if (isExtension(header)) {
        extension = { ...extension, ...(await readExtension(header, blocks)) }
        continue
      }
      const { size = header.size } = extension
      const entry = memberEntry(header, size, extension)
      extension = {}
      let left = size
      if (entry !== undefined) {
        yield {
          entry,
          bytes: (async function* () {
            while (left > 0) {
              const piece = await blocks.some(Math.min(left, largestPiece))
              if (piece === undefined) throw damaged('it is truncated')
              left -= piece.length
              yield piece
            }
          })(),
        }
      }
      await skip(blocks, left + ((512 - (size % 512)) % 512))
    }
    // A decompressor verifies its checksum only at the end of its input, so the rest is read too.
    while ((await blocks.some(largestPiece)) !== undefined) {}
  } finally {
    await blocks.close()
  }
}

/** What extension headers say about the entry that follows them. */
interface Extension {
  readonly name?: Buffer
  readonly linkname?: Buffer
  readonly size?: number
  readonly mtime?: number
}

function isExtension({ typeflag }: TarHeader): boolean {
  return ['x', 'g', 'L', 'K'].includes(typeflag)
}

async function readExtension({ typeflag, size }: TarHeader, blocks: BlockReader): Promise<Extension> {
  if (size > longestExtension) throw damaged(`a name of ${size} bytes`)
  const bytes = await blocks.take(size)
  if (bytes.length < size) throw damaged('it is truncated')
  await skip(blocks, (512 - (size % 512)) % 512)
  if (typeflag === 'x') return paxExtension(bytes)
  // A global header applies to all entries that follow: only comments are supported.
  if (typeflag === 'g') {
    if (Object.keys(paxExtension(bytes)).length > 0)
      throw new ArchiveError('unsupported', 'the archive is refused: it sets one name or size for all its entries')
    return {}
  }
  const end = bytes.indexOf(0)
  const name = end === -1 ? bytes : bytes.subarray(0, end)
  return typeflag === 'L' ? { name } : { linkname: name }
}

/** Records as `27 mtime=1700000000.5\n`, the length first. */
function paxExtension(bytes: Buffer): Extension {
  let extension: Extension = {}
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(' ', at)
    const digits = space === -1 ? '' : bytes.toString('latin1', at, space)
    const length = /^[1-9]\d{0,6}$/.test(digits) ? Number(digits) : 0
    const record = bytes.subarray(space + 1, at + length)
    const equals = record.indexOf('=')
    if (length === 0 || at + length > bytes.length || record.at(-1) !== 0x0a || equals === -1)
      throw damaged('a header that cannot be read')
    at += length
    const key = record.toString('utf8', 0, equals)
    const value = record.subarray(equals + 1, -1)
    if (key === 'path') extension = { ...extension, name: value }
    else if (key === 'linkpath') extension = { ...extension, linkname: value }
    else if (key === 'size') extension = { ...extension, size: decimal(value) }
    else if (key === 'mtime') extension = { ...extension, mtime: Number(value.toString()) || 0 }
    else if (key.startsWith('GNU.sparse.')) throw sparse()
  }
  return extension
}

function decimal(value: Buffer): number {
  const text = value.toString()
  if (!/^\d{1,15}$/.test(text)) throw damaged('a size that is not a number')
  return Number(text)
}

/** Undefined for the root directory of the archive. */
function memberEntry(header: TarHeader, size: number, extension: Extension): ArchiveEntry | undefined {
  const { name = header.name, linkname = header.linkname, mtime = header.mtime } = extension
  const path = entryPath(name)
  const type = entryType(header.typeflag, name)
  if (type === undefined) throw unsupportedEntry(path, header.typeflag)
  if (type !== 'file' && size > 0) throw damaged(`${JSON.stringify(path)} is not a file but has content`)
  if (path === '') {
    if (type === 'directory') return undefined
    throw new ArchiveError('unsafe', `the archive is refused: ${JSON.stringify(name.toString())} is a ${type}`)
  }
  const common = { path, mode: header.mode & 0o777, mtime: mtime * 1000 }
  if (type === 'file') return { ...common, type, size }
  if (type === 'directory') return { ...common, type }
  return { ...common, type, target: type === 'symlink' ? linkTarget(path, linkname) : entryPath(linkname) }
}

function entryType(typeflag: string, name: Buffer): ArchiveEntry['type'] | undefined {
  switch (typeflag) {
    case '0':
    case '\0':
    case '7':
      // Old archives mark a directory only by the slash at the end of its name.
      return name.at(-1) === 0x2f ? 'directory' : 'file'
    case '1':
      return 'hardlink'
    case '2':
      return 'symlink'
    case '5':
      return 'directory'
    default:
      return undefined
  }
}

function unsupportedEntry(path: string, typeflag: string): ArchiveError {
  const kinds: Readonly<Record<string, string>> = { 3: 'a device', 4: 'a device', 6: 'a FIFO' }
  const kind = kinds[typeflag]
  if (kind !== undefined)
    return new ArchiveError('unsafe', `the archive is refused: ${JSON.stringify(path)} is ${kind}`)
  if (typeflag === 'S') return sparse()
  return new ArchiveError(
    'unsupported',
    `the archive is refused: ${JSON.stringify(path)} is of the unknown kind ${JSON.stringify(typeflag)}`,
  )
}

async function skip(blocks: BlockReader, length: number): Promise<void> {
  for (let left = length; left > 0; ) {
    const piece = await blocks.some(Math.min(left, largestPiece))
    if (piece === undefined) throw damaged('it is truncated')
    left -= piece.length
  }
}

function sparse(): ArchiveError {
  return new ArchiveError('unsupported', 'the archive is refused: sparse files are not supported')
}

function damaged(why: string): ArchiveError {
  return new ArchiveError('damaged', `the archive is damaged: ${why}`)
}
