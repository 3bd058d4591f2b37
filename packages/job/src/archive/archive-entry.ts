/**
 * One thing that an archive holds. Its path is checked: below the directory that the archive is unpacked in, with `/`
 * between its names, none of which is empty, `.` or `..`.
 */
export type ArchiveEntry = {
  readonly path: string
  /** Permission bits, at most `0o777`. */
  readonly mode: number
  /** Milliseconds since 1970. */
  readonly mtime: number
} & (
  | { readonly type: 'file'; readonly size: number }
  | { readonly type: 'directory' }
  /** `target` as it stands in the archive. */
  | { readonly type: 'symlink'; readonly target: string }
  /** `target` is the path of a file of the same archive. */
  | { readonly type: 'hardlink'; readonly target: string }
)

export type FileEntry = Extract<ArchiveEntry, { readonly type: 'file' }>

/** A file and its bytes, which are to be read before the next file is asked for. */
export interface FileContent {
  readonly entry: FileEntry
  readonly bytes: AsyncIterable<Buffer>
}
