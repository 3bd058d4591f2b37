/** What a tar header says, as it says it. */
export interface TarHeader {
  readonly name: Buffer
  /** `0` file, `1` hard link, `2` symbolic link, `5` directory, … */
  readonly typeflag: string
  readonly mode: number
  readonly size: number
  /** Seconds since 1970. */
  readonly mtime: number
  readonly linkname: Buffer
}

const nameBytes = 100
const ustar = 'ustar\0'

/** Reads one block whose checksum fits. Undefined where a number in it is none. */
export function readTarHeader(block: Buffer): TarHeader | undefined {
  const mode = readNumber(block, 100, 8)
  const size = readNumber(block, 124, 12)
  const mtime = readNumber(block, 136, 12)
  if (mode === undefined || size === undefined || mtime === undefined || size < 0) return undefined
  // GNU's own format begins alike, and has something else where ustar has the beginning of a long name.
  const prefix = block.toString('latin1', 257, 263) === ustar ? upToNul(block.subarray(345, 500)) : Buffer.alloc(0)
  const name = upToNul(block.subarray(0, nameBytes))
  return {
    name: prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name,
    typeflag: String.fromCharCode(block[156]!),
    mode,
    size,
    mtime,
    linkname: upToNul(block.subarray(157, 257)),
  }
}

/**
 * Header blocks of one entry. Long names stand before it as GNU's tar writes them, since busybox's reads no other kind.
 */
export function tarHeaders({ name, typeflag, mode, size, mtime, linkname }: TarHeader): Buffer {
  return Buffer.concat([
    ...(linkname.length > nameBytes ? [longName('K', linkname)] : []),
    ...(name.length > nameBytes ? [longName('L', name)] : []),
    headerBlock({ name, typeflag, mode, size, mtime, linkname }),
  ])
}

/** Zeros that fill up the last block of `size` bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((512 - (size % 512)) % 512)
}

/** What an archive ends with. */
export const tarEnd: Buffer = Buffer.alloc(1024)

function longName(typeflag: 'K' | 'L', name: Buffer): Buffer {
  const size = name.length + 1
  const header = headerBlock({
    name: Buffer.from('././@LongLink'),
    typeflag,
    mode: 0,
    size,
    mtime: 0,
    linkname: Buffer.alloc(0),
  })
  return Buffer.concat([header, name, Buffer.alloc(1), tarPadding(size)])
}

function headerBlock({ name, typeflag, mode, size, mtime, linkname }: TarHeader): Buffer {
  const block = Buffer.alloc(512)
  name.copy(block, 0, 0, nameBytes)
  writeNumber(block, 100, 8, mode)
  writeNumber(block, 108, 8, 0)
  writeNumber(block, 116, 8, 0)
  writeNumber(block, 124, 12, size)
  writeNumber(block, 136, 12, Math.max(0, Math.floor(mtime)))
  block.write(typeflag, 156, 'latin1')
  linkname.copy(block, 157, 0, nameBytes)
  block.write('ustar  \0', 257, 'latin1')
  block.fill(0x20, 148, 156)
  let sum = 0
  for (const byte of block) sum += byte
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

function upToNul(field: Buffer): Buffer {
  const end = field.indexOf(0)
  return end === -1 ? field : field.subarray(0, end)
}

/** Octal digits, or a binary number where the first bit says so. */
function readNumber(block: Buffer, start: number, length: number): number | undefined {
  const field = block.subarray(start, start + length)
  if ((field[0]! & 0x80) === 0) {
    const text = field.toString('latin1')
    const digits = /^[ \0]*([0-7]*)[ \0]*$/.exec(text)?.[1]
    return digits === undefined ? undefined : Number.parseInt(digits || '0', 8)
  }
  // Negative times are possible, negative sizes are refused by the caller.
  let value = BigInt.asIntN(8, BigInt(field[0]! & 0x40 ? field[0]! : field[0]! & 0x7f))
  for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte)
  return value >= -(2n ** 53n) && value < 2n ** 53n ? Number(value) : undefined
}

function writeNumber(block: Buffer, start: number, length: number, value: number): void {
  const digits = value.toString(8)
  if (digits.length < length) {
    block.write(`${digits.padStart(length - 1, '0')}\0`, start, 'latin1')
    return
  }
  let rest = BigInt(value)
  for (let at = start + length - 1; at >= start; at--, rest >>= 8n) block[at] = Number(rest & 0xffn)
  block[start]! |= 0x80
}
