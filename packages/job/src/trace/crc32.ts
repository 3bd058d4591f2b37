import * as zlib from 'node:zlib'

/** CRC-32 (IEEE) of `bytes`, going on from `previous`, the checksum of what came before. */
export const crc32: (bytes: Buffer, previous: number) => number =
  // Node 20 has it only from 20.15 on.
  typeof zlib.crc32 === 'function' ? (bytes, previous) => zlib.crc32(bytes, previous) : tableCrc32

/** The same without help from zlib. */
export function tableCrc32(bytes: Buffer, previous: number): number {
  let crc = ~previous
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1
  return crc
})
