import type { ArchiveEntry } from './archive-entry.ts'
import type { OpenedArchive } from './open-archive.ts'
import { tarEnd, tarHeaders, tarPadding } from './tar/tar-header.ts'

/** Pieces are joined up to this many bytes before they are sent, since each piece costs a packet. */
const pieceBytes = 128 * 1024

/**
 * Converts an archive to a tar stream that every tar unpacks in the same way, whatever the order of the archive: files,
 * then hard links, then symbolic links, so that no file is written through one, then directories, each after its
 * content, so that read-only directories can be filled and keep their times. The directories of
 * {@link packLinkDirectories} are left out.
 */
export async function* packEntries(
  archive: Pick<OpenedArchive, 'entries' | 'files'>,
): AsyncGenerator<Buffer, void, undefined> {
  yield* joined(tarPieces(archive))
}

/**
 * Packs the directories that contain symbolic links, to be unpacked after everything else; undefined when there are
 * none. A tar creates links that it considers suspicious last, which would change the times of these directories, or
 * fail in read-only ones.
 */
export function packLinkDirectories(
  entries: readonly ArchiveEntry[],
): AsyncGenerator<Buffer, void, undefined> | undefined {
  const directories = directoriesOf(entries, (hasLinks) => hasLinks)
  if (directories.length === 0) return undefined
  return joined([...directories.map(headers), tarEnd])
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

/** Each directory comes after its content. */
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

async function* joined(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
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
