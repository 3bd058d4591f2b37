import { crc32, inflateRawSync } from 'node:zlib'
import * as yauzl from 'yauzl'
import type { ArchiveEntry, FileContent, FileEntry } from '../archive-entry.ts'
import { ArchiveError } from '../archive-error.ts'
import type { ArchiveFile } from '../archive-file.ts'
import { decompress } from '../compress/decompress.ts'
import type { ContentTally } from '../content-tally.ts'
import { entryPath, linkTarget } from '../entry-path.ts'
import { ReadAhead } from '../read-ahead.ts'

/** A zip whose list of contents was read and fits what stands before each file. */
export interface ZipContents {
  readonly entries: readonly ArchiveEntry[]
  /** The files one after another. */
  files(): AsyncGenerator<FileContent, void, undefined>
}

/** Where a file's bytes are in the archive, and what they come to. */
interface ZipPart {
  readonly start: number
  readonly compressedSize: number
  readonly size: number
  readonly method: number
  readonly crc32: number
}

const methods: Readonly<Record<number, 'stored' | 'deflate' | 'zstd'>> = { 0: 'stored', 8: 'deflate', 93: 'zstd' }
const specialKinds: ReadonlyMap<number, string> = new Map([
  [0o020000, 'a device'],
  [0o060000, 'a device'],
  [0o010000, 'a FIFO'],
  [0o140000, 'a socket'],
])
/** Files that are no larger are unpacked at once, which takes less than a millisecond. */
const smallBytes = 64 * 1024

/**
 * Thrown: {@link ArchiveError} `unsafe`, `damaged`, `unsupported`, and what `tally` throws; what the file system
 * throws.
 */
export async function readZip(file: ArchiveFile, tally: ContentTally): Promise<ZipContents> {
  const entries: ArchiveEntry[] = []
  const parts: (ZipPart | undefined)[] = []
  const spans: { readonly start: number; readonly end: number }[] = []
  const { zip, contentsStart } = await openZip(file)
  const [headers, contents] = [new ReadAhead(file), new ReadAhead(file)]
  for await (const listed of listedEntries(zip)) {
    tally.addEntry()
    const name = listed.fileNameRaw
    const path = entryPath(name)
    const part = await locate(headers, listed, path)
    spans.push({ start: listed.relativeOffsetOfLocalHeader, end: part.start + part.compressedSize })
    tally.addBytes(part.size)
    const type = entryType(listed, path)
    if (type === 'directory' && part.size > 0) throw damaged(`the directory ${JSON.stringify(path)} has content`)
    if (path === '') {
      if (type === 'directory') continue
      throw new ArchiveError('unsafe', `the archive is refused: ${JSON.stringify(name.toString())} is a ${type}`)
    }
    const common = { path, mode: permissions(listed, type), mtime: listed.getLastModDate().getTime() }
    if (type === 'symlink') {
      if (part.size > 4096)
        throw new ArchiveError(
          'unsafe',
          `the archive is refused: the symbolic link ${JSON.stringify(path)} has a target that is too long`,
        )
      const target = await collect(partBytes(file, contents, part, path))
      entries.push({ ...common, type, target: linkTarget(path, target) })
      parts.push(undefined)
    } else if (type === 'directory') {
      entries.push({ ...common, type })
      parts.push(undefined)
    } else {
      entries.push({ ...common, type, size: part.size })
      parts.push(part)
    }
  }
  checkSpans(spans, contentsStart)
  return {
    entries,
    async *files() {
      for (const [index, part] of parts.entries()) {
        const entry = entries[index] as FileEntry
        if (part !== undefined) yield { entry, bytes: partBytes(file, contents, part, entry.path) }
      }
    },
  }
}

interface OpenZip {
  readonly zip: yauzl.ZipFile
  /** Where its list of contents begins. */
  readonly contentsStart: number
}

function openZip(file: ArchiveFile): Promise<OpenZip> {
  return new Promise((resolve, reject) => {
    // Names are taken as they are: a second one in an extra field, or a guess at their encoding, is how two readers
    // come to see two archives.
    const options = { autoClose: false, lazyEntries: true, decodeStrings: false, validateEntrySizes: true }
    yauzl.fromRandomAccessReader(new ContentsReader(file), file.size, options, (error, zip) => {
      if (error) reject(asDamaged(error))
      else resolve({ zip, contentsStart: zip.readEntryCursor as unknown as number })
    })
  })
}

/** What yauzl reads the list of contents through. */
class ContentsReader extends yauzl.RandomAccessReader {
  readonly #bytes: ReadAhead

  constructor(file: ArchiveFile) {
    super()
    this.#bytes = new ReadAhead(file)
  }

  override read(
    target: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, read?: number) => void,
  ): void {
    const bytes = this.#bytes.readAt(position, length)
    if (Buffer.isBuffer(bytes)) callback(null, bytes.copy(target, offset))
    else
      bytes.then(
        (late) => callback(null, late.copy(target, offset)),
        (error: Error) => callback(error),
      )
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null)
  }
}

async function* listedEntries(zip: yauzl.ZipFile): AsyncGenerator<yauzl.Entry, void, undefined> {
  for (;;) {
    const entry = await new Promise<yauzl.Entry | undefined>((resolve, reject) => {
      const settle = (act: () => void): void => {
        zip.removeAllListeners()
        act()
      }
      zip.once('entry', (found: yauzl.Entry) => settle(() => resolve(found)))
      zip.once('end', () => settle(() => resolve(undefined)))
      zip.once('error', (error: Error) => settle(() => reject(asDamaged(error))))
      zip.readEntry()
    })
    if (entry === undefined) return
    yield entry
  }
}

/**
 * Finds a file's bytes, and compares what stands before them with the list of contents: a reader that goes by the one
 * must see what a reader sees that goes by the other.
 */
async function locate(file: ReadAhead, listed: yauzl.Entry, path: string): Promise<ZipPart> {
  const {
    relativeOffsetOfLocalHeader: offset,
    compressionMethod: method,
    compressedSize,
    uncompressedSize: size,
  } = listed
  if (listed.isEncrypted())
    throw new ArchiveError('unsupported', `the archive is refused: ${JSON.stringify(path)} is encrypted`)
  if (methods[method] === undefined)
    throw new ArchiveError(
      'unsupported',
      `the archive is refused: ${JSON.stringify(path)} is compressed by the unknown method ${method}`,
    )
  const local = await file.readAt(offset, 30 + listed.fileNameRaw.length)
  if (local.length < 30 || local.readUInt32LE(0) !== 0x04034b50)
    throw damaged(`${JSON.stringify(path)} is missing where it should be`)
  const flags = local.readUInt16LE(6)
  const nameLength = local.readUInt16LE(26)
  const differs = (what: string): never => {
    throw damaged(`${JSON.stringify(path)} has a different ${what} in the central directory than in its own header`)
  }
  if (nameLength !== listed.fileNameRaw.length || !local.subarray(30).equals(listed.fileNameRaw)) differs('name')
  if (local.readUInt16LE(8) !== method) differs('compression')
  // With this bit they follow the bytes instead.
  if ((flags & 0x08) === 0) {
    if (local.readUInt32LE(14) !== listed.crc32) differs('checksum')
    const [localCompressed, localSize] = [local.readUInt32LE(18), local.readUInt32LE(22)]
    if (localCompressed !== 0xffffffff && localCompressed !== compressedSize) differs('size')
    if (localSize !== 0xffffffff && localSize !== size) differs('size')
  }
  const start = offset + 30 + nameLength + local.readUInt16LE(28)
  return { start, compressedSize, size, method, crc32: listed.crc32 }
}

/** Bytes that serve two files are how a small archive comes to petabytes. */
function checkSpans(spans: readonly { readonly start: number; readonly end: number }[], contentsStart: number): void {
  const sorted = spans.toSorted((a, b) => a.start - b.start)
  for (const [index, { end }] of sorted.entries()) {
    if (end > (sorted[index + 1]?.start ?? contentsStart))
      throw new ArchiveError('unsafe', 'the archive is refused: its entries overlap')
  }
}

function entryType(
  { versionMadeBy, externalFileAttributes, fileNameRaw }: yauzl.Entry,
  path: string,
): 'file' | 'directory' | 'symlink' {
  const kind = isUnix(versionMadeBy) ? (externalFileAttributes >>> 16) & 0o170000 : 0
  const isNamedDirectory = fileNameRaw.at(-1) === 0x2f
  switch (kind) {
    case 0:
    case 0o100000:
      return isNamedDirectory ? 'directory' : 'file'
    case 0o040000:
      return 'directory'
    case 0o120000:
      if (isNamedDirectory) throw damaged(`${JSON.stringify(path)} is both a directory and a symbolic link`)
      return 'symlink'
    default:
      throw new ArchiveError(
        'unsafe',
        `the archive is refused: ${JSON.stringify(path)} is ${specialKinds.get(kind) ?? 'of an unknown kind'}`,
      )
  }
}

function permissions({ versionMadeBy, externalFileAttributes }: yauzl.Entry, type: ArchiveEntry['type']): number {
  const mode = externalFileAttributes >>> 16
  if (isUnix(versionMadeBy) && mode !== 0) return mode & 0o777
  return type === 'directory' ? 0o755 : 0o644
}

/** Unix, and macOS. */
function isUnix(versionMadeBy: number): boolean {
  return [3, 19].includes(versionMadeBy >> 8)
}

/** A file's bytes, which are as many as the archive says and have the checksum that it says. */
async function* partBytes(
  file: ArchiveFile,
  small: ReadAhead,
  part: ZipPart,
  path: string,
): AsyncGenerator<Buffer, void, undefined> {
  let left = part.size
  let checksum = 0
  for await (const piece of unpacked(file, small, part)) {
    left -= piece.length
    if (left < 0) throw damaged(`${JSON.stringify(path)} is longer than its declared ${part.size} bytes`)
    checksum = crc32(piece, checksum)
    yield piece
  }
  if (left > 0) throw damaged(`${JSON.stringify(path)} is truncated`)
  if (checksum !== part.crc32) throw damaged(`the checksum of ${JSON.stringify(path)} does not match`)
}

async function* unpacked(
  file: ArchiveFile,
  small: ReadAhead,
  { start, compressedSize, size, method }: ZipPart,
): AsyncGenerator<Buffer, void, undefined> {
  const compression = methods[method]
  const raw = file.stream(start, compressedSize)
  if (compression === 'stored') yield* raw
  else if (compression === 'deflate' && size > 0 && size <= smallBytes && compressedSize <= smallBytes)
    yield inflateAtOnce(await small.readAt(start, compressedSize), size)
  else yield* decompress(raw, compression as 'deflate' | 'zstd')
}

function inflateAtOnce(bytes: Buffer, size: number): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: size, chunkSize: Math.max(64, size) })
  } catch (error) {
    throw damaged((error as Error).message, error)
  }
}

async function collect(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}

function asDamaged(error: Error): Error {
  return 'code' in error ? error : damaged(error.message, error)
}

function damaged(why: string, cause?: unknown): ArchiveError {
  return new ArchiveError('damaged', `the archive is damaged: ${why}`, { cause })
}
