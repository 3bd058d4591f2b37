import type { ArchiveEntry, ArchiveLimits } from '@runner-core/job/internals'
import { ArchiveFile, type OpenedArchive, openArchive } from '@runner-core/job/internals'

/** Opens an archive that a test holds in memory, for as long as `use` takes. */
export async function withArchive<T>(
  bytes: Buffer,
  use: (archive: OpenedArchive) => Promise<T>,
  {
    filename = 'artifacts.zip',
    limits = {},
  }: { readonly filename?: string; readonly limits?: Partial<ArchiveLimits> } = {},
): Promise<T> {
  const file = await ArchiveFile.receive(piecesOf(bytes), { limitBytes: 2 ** 30 })
  try {
    return await use(await openArchive(file, { filename, limits }))
  } finally {
    await file.close()
  }
}

/** All that an archive holds, by path. */
export async function contentsOf(
  archive: OpenedArchive,
): Promise<Map<string, ArchiveEntry & { readonly content?: string }>> {
  const contents = new Map<string, ArchiveEntry & { content?: string }>(
    archive.entries.map((entry) => [entry.path, entry]),
  )
  for await (const { entry, bytes } of archive.files()) {
    const pieces: Buffer[] = []
    for await (const piece of bytes) pieces.push(piece)
    contents.set(entry.path, { ...entry, content: Buffer.concat(pieces).toString('latin1') })
  }
  return contents
}

export async function* piecesOf(bytes: Buffer, size = 777): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
