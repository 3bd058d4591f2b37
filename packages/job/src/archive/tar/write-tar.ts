import type { PackedFile } from '../packed-file.ts'
import { tarEnd, tarHeaders, tarPadding } from './tar-header.ts'

const typeflags: Readonly<Record<PackedFile['type'], string>> = { file: '0', symlink: '2', directory: '5' }

/** Writes a tar archive as a stream, in the order of `files`. The same files always produce the same bytes. */
export async function* writeTar(files: AsyncIterable<PackedFile>): AsyncGenerator<Buffer, void, undefined> {
  for await (const { path, type, mode, mtime, size, target, bytes } of files) {
    const name = type === 'directory' ? Buffer.concat([path, Buffer.from('/')]) : path
    const linkname = type === 'symlink' ? target : Buffer.alloc(0)
    yield tarHeaders({ name, typeflag: typeflags[type], mode, size: type === 'file' ? size : 0, mtime, linkname })
    if (type !== 'file') continue
    yield* bytes
    yield tarPadding(size)
  }
  yield tarEnd
}
