/** The few forms of ASN.1's DER that a certificate is made of. */

export function tlv(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const head =
    length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

export const sequence = (...contents: readonly Uint8Array[]): Buffer => tlv(0x30, ...contents)
export const set = (...contents: readonly Uint8Array[]): Buffer => tlv(0x31, ...contents)
export const octets = (content: Uint8Array): Buffer => tlv(0x04, content)
export const utf8 = (text: string): Buffer => tlv(0x0c, Buffer.from(text))
export const truth: Buffer = Buffer.from([0x01, 0x01, 0xff])
export const bits = (content: Uint8Array, unused = 0): Buffer => tlv(0x03, Buffer.from([unused]), content)

/** A number ≥ 0, its bytes big-endian, the first of them not 0. */
export function integer(bytes: Uint8Array): Buffer {
  // A set first bit would make it negative.
  const isNegative = (bytes[0] ?? 0) >= 0x80
  return tlv(0x02, Buffer.from(isNegative ? [0] : []), bytes)
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tlv(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): readonly number[] {
  const digits = [value & 0x7f]
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift(0x80 | (left & 0x7f))
  return digits
}

/** A time, to the second, before the year 2050. */
export function utcTime(at: Date): Buffer {
  return tlv(
    0x17,
    Buffer.from(
      at
        .toISOString()
        .slice(2)
        .replaceAll(/[-:T]|\.\d+/g, ''),
    ),
  )
}
