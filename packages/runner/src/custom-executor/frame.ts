/**
 * What the daemon sends to the client of a call: `[kind, 1 byte][length of the payload, 4 bytes, big endian][payload]`.
 * The client reads them without this file.
 */
export const frameKind = {
  /** For the client's standard output. */
  out: 1,
  /** For its standard error. */
  err: 2,
  /** The call is under way: from now on it must not be made again. */
  accepted: 3,
  /** A `CallEnd` as JSON; nothing follows. */
  end: 4,
} as const

export function frame(kind: (typeof frameKind)[keyof typeof frameKind], payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
  const head = Buffer.allocUnsafe(5)
  head.writeUInt8(kind)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}
