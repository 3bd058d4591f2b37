import { crc32, deflateRawSync } from 'node:zlib'
import { type TarHeader, tarEnd, tarHeaders, tarPadding } from '@runner-core/job/internals'

/** One entry of a zip as a test wants it, true or not. What is absent is as an honest writer has it. */
export interface ZipItem {
  readonly name: string | Buffer
  /** What stands before its bytes instead of `name`. */
  readonly localName?: string | Buffer
  /** File type and permissions of Unix. Default: a file that all may read. */
  readonly mode?: number
  readonly content?: Buffer | string
  readonly stored?: boolean
  /** Sizes and checksum stand after the bytes, as a writer has it that does not know them before. */
  readonly streamed?: boolean
  readonly crc32?: number
  /** Of what is unpacked. */
  readonly size?: number
  readonly flags?: number
  readonly method?: number
  /** The bytes are those of the entry with this index. */
  readonly sharedWith?: number
  /** Seconds since 1970. */
  readonly mtime?: number
}

/** A zip, byte by byte. */
export function zipBytes(items: readonly ZipItem[]): Buffer {
  const parts: Buffer[] = []
  const listed: Buffer[] = []
  const offsets: number[] = []
  let offset = 0
  for (const item of items) {
    const name = Buffer.from(item.name)
    const localName = item.localName === undefined ? name : Buffer.from(item.localName)
    const content = Buffer.from(item.content ?? '')
    const bytes = item.stored === true ? content : deflateRawSync(content)
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(20, 0)
    fields.writeUInt16LE(0x0800 | (item.flags ?? 0) | (item.streamed === true ? 8 : 0), 2)
    fields.writeUInt16LE(item.method ?? (item.stored === true ? 0 : 8), 4)
    fields.writeUInt16LE(0x21, 8)
    fields.writeUInt32LE(item.crc32 ?? crc32(content), 10)
    fields.writeUInt32LE(bytes.length, 14)
    fields.writeUInt32LE(item.size ?? content.length, 18)
    const extra = Buffer.alloc(9)
    extra.writeUInt16LE(0x5455, 0)
    extra.writeUInt16LE(5, 2)
    extra.writeUInt8(1, 4)
    extra.writeInt32LE(item.mtime ?? 1_700_000_000, 5)
    fields.writeUInt16LE(extra.length, 24)
    const local = Buffer.from(fields)
    if (item.streamed === true) local.fill(0, 10, 22)
    const descriptor =
      item.streamed === true
        ? Buffer.concat([Buffer.from('PK\x07\x08', 'latin1'), fields.subarray(10, 22)])
        : Buffer.alloc(0)
    local.writeUInt16LE(localName.length, 22)
    offsets.push(item.sharedWith === undefined ? offset : offsets[item.sharedWith]!)
    if (item.sharedWith === undefined) {
      const part = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), local, localName, extra, bytes, descriptor])
      parts.push(part)
      offset += part.length
    }
    const central = Buffer.from(fields)
    central.writeUInt16LE(name.length, 22)
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(((item.mode ?? 0o100644) << 16) >>> 0, 6)
    rest.writeUInt32LE(offsets.at(-1)!, 10)
    listed.push(Buffer.concat([Buffer.from('PK\x01\x02', 'latin1'), Buffer.from([20, 3]), central, rest, name, extra]))
  }
  const directory = Buffer.concat(listed)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 0, 'latin1')
  end.writeUInt16LE(items.length, 8)
  end.writeUInt16LE(items.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...parts, directory, end])
}

/** One entry of a tar as a test wants it. */
export interface TarItem {
  readonly name: string | Buffer
  readonly typeflag?: string
  readonly mode?: number
  readonly content?: Buffer | string
  readonly linkname?: string | Buffer
  readonly mtime?: number
  readonly size?: number
}

/** A tar, byte by byte. */
export function tarBytes(items: readonly TarItem[], end: Buffer = tarEnd): Buffer {
  return Buffer.concat([
    ...items.flatMap(
      ({ name, typeflag = '0', mode = 0o644, content = '', linkname = '', mtime = 1_700_000_000, size }) => {
        const bytes = Buffer.from(content)
        const header: TarHeader = {
          name: Buffer.from(name),
          typeflag,
          mode,
          size: size ?? bytes.length,
          mtime,
          linkname: Buffer.from(linkname),
        }
        return [tarHeaders(header), bytes, tarPadding(bytes.length)]
      },
    ),
    end,
  ])
}

/** A pax header for the entry after it. */
export function paxItem(records: Readonly<Record<string, string>>, typeflag: 'x' | 'g' = 'x'): TarItem {
  const content = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`
    let length = Buffer.byteLength(rest) + 1
    while (Buffer.byteLength(`${length}${rest}`) !== length) length++
    return `${length}${rest}`
  })
  return { name: 'pax', typeflag, content: content.join('') }
}
