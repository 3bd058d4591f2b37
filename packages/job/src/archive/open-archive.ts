import type { ArchiveEntry, FileContent, FileEntry } from './archive-entry.ts'
import { ArchiveError } from './archive-error.ts'
import type { ArchiveFile } from './archive-file.ts'
import { archiveFormat, isTar, sniffedBytes } from './archive-format.ts'
import { type ArchiveLimits, defaultArchiveLimits } from './archive-limits.ts'
import { BlockReader } from './block-reader.ts'
import { type CheckedEntries, checkEntries, type OutwardLinks } from './check-entries.ts'
import { decompress } from './compress/decompress.ts'
import { gzipName } from './compress/gzip-name.ts'
import { ContentTally } from './content-tally.ts'
import { entryPath } from './entry-path.ts'
import { readTar, type TarMember } from './tar/read-tar.ts'
import { readZip } from './zip/read-zip.ts'

/**
 * An archive that was looked at as a whole: every name and link in it is harmless, and it comes to no more than the
 * limits allow.
 */
export interface OpenedArchive extends CheckedEntries {
  readonly entries: readonly ArchiveEntry[]
  /**
   * The files, in an order that suits the archive. Each is to be read before the next. Thrown meanwhile:
   * {@link ArchiveError} `damaged`.
   */
  files(): AsyncIterable<FileContent>
}

export interface OpenArchiveOptions {
  /** What the archive's file is called: gives a single file its name, without `.gz` or `.zst`. */
  readonly filename: string
  readonly limits?: Partial<ArchiveLimits> | undefined
  /** Default: `refuse`. */
  readonly outwardLinks?: OutwardLinks
}

/** What is read, before its entries were looked at together. */
type UncheckedArchive = Omit<OpenedArchive, keyof CheckedEntries>

/** Endings by which a file says that it is an archive. */
const archiveEnding = /\.(zip|tar|tgz|gz|zst)$/i

/**
 * Opens an archive of whatever format it is: zip, tar, tar or a single file compressed with gzip or Zstandard, or a
 * file that is no archive at all. Nothing of it is written anywhere.
 *
 * Thrown: {@link ArchiveError}; what the file system throws.
 */
export async function openArchive(
  file: ArchiveFile,
  { outwardLinks = 'refuse', ...options }: OpenArchiveOptions,
): Promise<OpenedArchive> {
  const archive = await readArchive(file, options)
  return { ...archive, ...checkEntries(archive.entries, outwardLinks) }
}

async function readArchive(
  file: ArchiveFile,
  { filename, limits }: Omit<OpenArchiveOptions, 'outwardLinks'>,
): Promise<UncheckedArchive> {
  const tally = new ContentTally(file.size, { ...defaultArchiveLimits, ...limits })
  const start = await file.readAt(0, sniffedBytes)
  const format = archiveFormat(start)
  if (format === 'zip') return await readZip(file, tally)
  if (format === 'tar') return await openTar(() => file.stream(), tally)
  if (format === 'file') {
    if (archiveEnding.test(filename) || file.size === 0)
      throw new ArchiveError(
        'damaged',
        `the archive is damaged: ${JSON.stringify(filename)} is neither a zip nor any other known archive`,
      )
    tally.addBytes(file.size)
    return single(baseName(filename), file.size, () => file.stream())
  }
  const content = (): AsyncIterable<Buffer> => decompress(file.stream(), format)
  if (isTar(await firstBytes(content()))) return await openTar(content, tally)
  let size = 0
  for await (const piece of content()) {
    size += piece.length
    tally.addBytes(piece.length)
  }
  const name = (format === 'gzip' && gzipName(start)) || baseName(filename).replace(/\.(gz|zst)$/i, '')
  return single(name, size, content)
}

async function firstBytes(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const blocks = new BlockReader(content)
  try {
    return await blocks.take(sniffedBytes)
  } finally {
    await blocks.close()
  }
}

async function openTar(content: () => AsyncIterable<Buffer>, tally: ContentTally): Promise<UncheckedArchive> {
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of content()) {
      tally.addBytes(piece.length)
      yield piece
    }
  }
  const entries: ArchiveEntry[] = []
  for await (const { entry } of readTar(counted(), () => tally.addEntry())) entries.push(entry)
  return {
    entries,
    async *files() {
      for await (const member of readTar(content(), () => {})) if (isFile(member)) yield member
    },
  }
}

function isFile(member: TarMember): member is TarMember & { readonly entry: FileEntry } {
  return member.entry.type === 'file'
}

function single(name: string, size: number, content: () => AsyncIterable<Buffer>): UncheckedArchive {
  const path = entryPath(Buffer.from(name))
  const entry: FileEntry = { path, type: 'file', mode: 0o644, mtime: 0, size }
  return {
    entries: [entry],
    async *files() {
      yield { entry, bytes: content() }
    },
  }
}

function baseName(filename: string): string {
  return filename.slice(filename.lastIndexOf('/') + 1)
}
