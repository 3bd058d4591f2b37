import type { ArchiveEntry } from './archive-entry.ts'
import type { OpenedArchive } from './open-archive.ts'
import { tarEnd, tarHeaders, tarPadding } from './tar/tar-header.ts'

/** Small pieces are collected to this many bytes: each costs a packet. */
const pieceBytes = 128 * 1024

/**
 * An archive as a tar stream that any tar unpacks the same way, whatever its order was: first the files, then links to
 * them, then symbolic links, which so cannot be in anybody's way, at last directories, each after what it holds: then a
 * directory that nobody may write to can still be filled, and keeps its time. Without those of
 * {@link packLinkDirectories}.
 */
export async function* packEntries(
  archive: Pick<OpenedArchive, 'entries' | 'files'>,
): AsyncGenerator<Buffer, void, undefined> {
  yield* collected(tarPieces(archive))
}

/**
 * The directories that symbolic links are in, to be unpacked when all else is there; undefined when there are none. A
 * tar makes links that it finds suspicious after everything else, and then these would have another time, or could not
 * be written to any more.
 */
export function packLinkDirectories(
  entries: readonly ArchiveEntry[],
): AsyncGenerator<Buffer, void, undefined> | undefined {
  const directories = directoriesOf(entries, (hasLinks) => hasLinks)
  if (directories.length === 0) return undefined
  return collected([...directories.map(headers), tarEnd])
}

async function* tarPieces({
  entries,
  files,
}: Pick<OpenedArchive, 'entries' | 'files'>): AsyncGenerator<Buffer, void, undefined> {
  for await (const { entry, bytes } of files()) {
    yield headers(entry)
    yield* bytes
    yield tarPadding(entry.size)
  }
  for (const entry of entries) if (entry.type === 'hardlink') yield headers(entry)
  for (const entry of entries) if (entry.type === 'symlink') yield headers(entry)
  for (const entry of directoriesOf(entries, (hasLinks) => !hasLinks)) yield headers(entry)
  yield tarEnd
}

/** Each after what it holds. */
function directoriesOf(entries: readonly ArchiveEntry[], isWanted: (hasLinks: boolean) => boolean): ArchiveEntry[] {
  const withLinks = new Set(
    entries.flatMap(({ type, path }) =>
      type === 'symlink' ? [path.slice(0, Math.max(0, path.lastIndexOf('/')))] : [],
    ),
  )
  const directories = new Map(
    entries.flatMap((entry) => (entry.type === 'directory' ? [[entry.path, entry] as const] : [])),
  )
  const paths = [...directories.keys()].filter((path) => isWanted(withLinks.has(path)))
  return paths
    .sort()
    .reverse()
    .map((path) => directories.get(path)!)
}

const typeflags: Readonly<Record<ArchiveEntry['type'], string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  directory: '5',
}

function headers(entry: ArchiveEntry): Buffer {
  const { path, type, mode, mtime } = entry
  return tarHeaders({
    name: Buffer.from(type === 'directory' ? `${path}/` : path),
    typeflag: typeflags[type],
    mode,
    size: type === 'file' ? entry.size : 0,
    mtime: mtime / 1000,
    linkname: Buffer.from('target' in entry ? entry.target : ''),
  })
}

async function* collected(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let kept: Buffer[] = []
  let length = 0
  for await (const piece of pieces) {
    kept.push(piece)
    length += piece.length
    if (length < pieceBytes) continue
    yield Buffer.concat(kept)
    kept = []
    length = 0
  }
  if (length > 0) yield Buffer.concat(kept)
}
