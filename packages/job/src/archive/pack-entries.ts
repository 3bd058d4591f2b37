import type { ArchiveEntry } from './archive-entry.ts'
import type { OpenedArchive } from './open-archive.ts'
import { tarEnd, tarHeaders, tarPadding } from './tar-header.ts'

/** Small pieces are collected to this many bytes: each costs a packet. */
const pieceBytes = 128 * 1024

/**
 * An archive as a tar stream that any tar unpacks the same way, whatever its order was: first the files, then links to them, then symbolic links, which so cannot be in anybody's way, at last directories, each after
 * what it holds: then a directory that nobody may write to can still be filled, and keeps its time.
 */
export async function* packEntries(archive: Pick<OpenedArchive, 'entries' | 'files'>): AsyncGenerator<Buffer, void, undefined> {
  yield* collected(tarPieces(archive))
}

async function* tarPieces({ entries, files }: Pick<OpenedArchive, 'entries' | 'files'>): AsyncGenerator<Buffer, void, undefined> {
  for await (const { entry, bytes } of files()) {
    yield headers(entry)
    yield* bytes
    yield tarPadding(entry.size)
  }
  for (const entry of entries) if (entry.type === 'hardlink') yield headers(entry)
  for (const entry of entries) if (entry.type === 'symlink') yield headers(entry)
  const directories = new Map(entries.flatMap((entry) => (entry.type === 'directory' ? [[entry.path, entry] as const] : [])))
  for (const path of [...directories.keys()].sort().reverse()) yield headers(directories.get(path)!)
  yield tarEnd
}

const typeflags: Readonly<Record<ArchiveEntry['type'], string>> = { file: '0', hardlink: '1', symlink: '2', directory: '5' }

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

async function* collected(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
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
