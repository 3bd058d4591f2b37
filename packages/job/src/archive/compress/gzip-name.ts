/**
 * The name that a gzip's first header gives, without any directory; undefined where there is none, or not within
 * `start`.
 */
export function gzipName(start: Buffer): string | undefined {
  const flags = start[3] ?? 0
  if ((flags & 0x08) === 0 || start.length < 12) return undefined
  const nameStart = (flags & 0x04) === 0 ? 10 : 12 + start.readUInt16LE(10)
  const end = start.indexOf(0, nameStart)
  if (end === -1) return undefined
  const name = start.toString('utf8', nameStart, end)
  return name.slice(name.lastIndexOf('/') + 1) || undefined
}
