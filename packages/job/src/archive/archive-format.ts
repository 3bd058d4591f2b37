/** `file`: no archive, but a file by itself. */
export type ArchiveFormat = 'zip' | 'tar' | 'gzip' | 'zstd' | 'file'

/** Bytes that `archiveFormat` wants to see. */
export const sniffedBytes: number = 512

/** What begins like this. `gzip` and `zstd` say nothing about what they hold. */
export function archiveFormat(start: Buffer): ArchiveFormat {
  const magic = start.subarray(0, 4).toString('latin1')
  if (magic === 'PK\x03\x04' || magic === 'PK\x05\x06') return 'zip'
  if (magic.startsWith('\x1f\x8b')) return 'gzip'
  if (magic === '\x28\xb5\x2f\xfd' || /^[\x50-\x5f]\x2a\x4d\x18$/.test(magic)) return 'zstd'
  return isTar(start) ? 'tar' : 'file'
}

/** Also an empty archive, and one from before `ustar` was written into each header. */
export function isTar(start: Buffer): boolean {
  if (start.length < 512) return false
  const header = start.subarray(0, 512)
  return header.every((byte) => byte === 0) || hasTarChecksum(header)
}

/** `header`: 512 bytes. */
export function hasTarChecksum(header: Buffer): boolean {
  const told = /^ *([0-7]+)[ \0]*$/.exec(header.toString('latin1', 148, 156))?.[1]
  if (told === undefined) return false
  let sum = 8 * 0x20
  for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += header[i]!
  return sum === Number.parseInt(told, 8)
}
