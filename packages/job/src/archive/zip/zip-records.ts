import { isUtf8 } from 'node:buffer'

/** One member of a zip archive, as its records say it. */
export interface ZipMember {
  /** A directory's ends with `/`. */
  readonly name: Buffer
  /** With the bits of its type, as Unix has them. */
  readonly mode: number
  /** Seconds since 1970. */
  readonly mtime: number
  readonly isDirectory: boolean
  /** 0: stored, 8: deflated, 93: Zstandard. */
  readonly method: 0 | 8 | 93
  /** Its checksum and packed size stand behind its bytes. `size` is known before all the same. */
  readonly isStreamed: boolean
  readonly crc: number
  readonly size: number
  readonly packedSize: number
  /** Of its local header. */
  readonly offset: number
}

const most32 = 0xffff_ffff
const most16 = 0xffff
/** From this size on a member has 64-bit sizes: packing may make it a little longer, which is known only behind it. */
const largeBytes = 0xfff0_0000

/** Extra fields: sizes of 64 bits, and Unix time. */
const zip64Field = 0x0001
const timeField = 0x5455

export function localHeader(member: ZipMember): Buffer {
  const isLarge = member.size >= largeBytes
  const [size, packedSize, crc] = member.isStreamed ? [0, 0, 0] : [member.size, member.packedSize, member.crc]
  const extra = [timeExtra(member)]
  if (isLarge) extra.unshift(zip64Extra([size, packedSize]))
  const extraBytes = Buffer.concat(extra)
  const record = Buffer.alloc(30)
  record.writeUInt32LE(0x04034b50, 0)
  writeCommon(record, 4, member, isLarge)
  record.writeUInt32LE(crc, 14)
  record.writeUInt32LE(isLarge ? most32 : packedSize, 18)
  record.writeUInt32LE(isLarge ? most32 : size, 22)
  record.writeUInt16LE(member.name.length, 26)
  record.writeUInt16LE(extraBytes.length, 28)
  return Buffer.concat([record, member.name, extraBytes])
}

/** Behind the bytes of a member that is streamed. */
export function dataDescriptor({ crc, size, packedSize }: ZipMember): Buffer {
  const isLarge = size >= largeBytes
  const record = Buffer.alloc(isLarge ? 24 : 16)
  record.writeUInt32LE(0x08074b50, 0)
  record.writeUInt32LE(crc, 4)
  if (isLarge) {
    record.writeBigUInt64LE(BigInt(packedSize), 8)
    record.writeBigUInt64LE(BigInt(size), 16)
  } else {
    record.writeUInt32LE(packedSize, 8)
    record.writeUInt32LE(size, 12)
  }
  return record
}

export function centralHeader(member: ZipMember): Buffer {
  const { name, mode, isDirectory, crc, size, packedSize, offset } = member
  const isLarge = size >= largeBytes
  const isFar = offset >= most32
  const values = [...(isLarge ? [size, packedSize] : []), ...(isFar ? [offset] : [])]
  const extraBytes = Buffer.concat([...(values.length > 0 ? [zip64Extra(values)] : []), timeExtra(member)])
  const record = Buffer.alloc(46)
  record.writeUInt32LE(0x02014b50, 0)
  // Made by Unix: the mode is one of Unix.
  record.writeUInt16LE((3 << 8) | 63, 4)
  writeCommon(record, 6, member, isLarge || isFar)
  record.writeUInt32LE(crc, 16)
  record.writeUInt32LE(isLarge ? most32 : packedSize, 20)
  record.writeUInt32LE(isLarge ? most32 : size, 24)
  record.writeUInt16LE(name.length, 28)
  record.writeUInt16LE(extraBytes.length, 30)
  record.writeUInt32LE(((mode << 16) | (isDirectory ? 0x10 : 0)) >>> 0, 38)
  record.writeUInt32LE(isFar ? most32 : offset, 42)
  return Buffer.concat([record, name, extraBytes])
}

/** Of the directory of all members: how many, how long it is, and where it begins. */
export function endOfZip({
  entries,
  size,
  offset,
}: {
  readonly entries: number
  readonly size: number
  readonly offset: number
}): Buffer {
  const isLarge = entries >= most16 || size >= most32 || offset >= most32
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(Math.min(entries, most16), 8)
  end.writeUInt16LE(Math.min(entries, most16), 10)
  end.writeUInt32LE(Math.min(size, most32), 12)
  end.writeUInt32LE(Math.min(offset, most32), 16)
  if (!isLarge) return end
  const large = Buffer.alloc(76)
  large.writeUInt32LE(0x06064b50, 0)
  large.writeBigUInt64LE(44n, 4)
  large.writeUInt16LE((3 << 8) | 63, 12)
  large.writeUInt16LE(45, 14)
  large.writeBigUInt64LE(BigInt(entries), 24)
  large.writeBigUInt64LE(BigInt(entries), 32)
  large.writeBigUInt64LE(BigInt(size), 40)
  large.writeBigUInt64LE(BigInt(offset), 48)
  large.writeUInt32LE(0x07064b50, 56)
  large.writeBigUInt64LE(BigInt(offset + size), 64)
  large.writeUInt32LE(1, 72)
  return Buffer.concat([large, end])
}

/** Version needed, flags, method, time: the same in both headers. */
function writeCommon(
  record: Buffer,
  at: number,
  { name, method, isStreamed, mtime }: ZipMember,
  isLarge: boolean,
): void {
  record.writeUInt16LE(method === 93 ? 63 : isLarge ? 45 : 20, at)
  record.writeUInt16LE((isStreamed ? 0x8 : 0) | (isUtf8(name) ? 0x800 : 0), at + 2)
  record.writeUInt16LE(method, at + 4)
  const { time, date } = dosTime(mtime)
  record.writeUInt16LE(time, at + 6)
  record.writeUInt16LE(date, at + 8)
}

function zip64Extra(values: readonly number[]): Buffer {
  const field = Buffer.alloc(4 + 8 * values.length)
  field.writeUInt16LE(zip64Field, 0)
  field.writeUInt16LE(8 * values.length, 2)
  for (const [index, value] of values.entries()) field.writeBigUInt64LE(BigInt(value), 4 + 8 * index)
  return field
}

function timeExtra({ mtime }: ZipMember): Buffer {
  const field = Buffer.alloc(9)
  field.writeUInt16LE(timeField, 0)
  field.writeUInt16LE(5, 2)
  field.writeUInt8(1, 4)
  field.writeInt32LE(Math.max(-0x8000_0000, Math.min(0x7fff_ffff, mtime)), 5)
  return field
}

/** In UTC, so that it does not depend on where the archive is made. The format knows 1980 to 2107. */
function dosTime(mtime: number): { readonly time: number; readonly date: number } {
  const at = new Date(Math.max(Date.UTC(1980, 0, 1), Math.min(Date.UTC(2107, 11, 31), mtime * 1000)))
  return {
    time: (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1),
    date: ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate(),
  }
}
