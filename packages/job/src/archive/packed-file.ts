/** Something that goes into an archive, as the job's machine gives it. */
export interface PackedFile {
  /** Bytes of its path, relative, with `/` between names: UTF-8 as a rule. */
  readonly path: Buffer
  readonly type: 'file' | 'directory' | 'symlink'
  /** Permission bits, at most `0o7777`. */
  readonly mode: number
  /** Seconds since 1970. */
  readonly mtime: number
  /** Of a file: bytes. */
  readonly size: number
  /** Of a symbolic link. */
  readonly target: Buffer
  /** Of a file: to be read before the next one is asked for. */
  readonly bytes: AsyncIterable<Buffer>
}

/** `ARTIFACT_COMPRESSION_LEVEL` and `CACHE_COMPRESSION_LEVEL`. */
export type CompressionLevel = 'fastest' | 'fast' | 'default' | 'slow' | 'slowest'

/** Of zlib; 0: what goes in comes out. */
export const deflateLevels: Readonly<Record<CompressionLevel, number>> = {
  fastest: 0,
  fast: 1,
  default: 4,
  slow: 7,
  slowest: 9,
}

/** What is none of the words means the default, as in GitLab's runner. */
export function compressionLevel(setting: string): CompressionLevel {
  const word = setting.toLowerCase()
  return Object.hasOwn(deflateLevels, word) ? (word as CompressionLevel) : 'default'
}
