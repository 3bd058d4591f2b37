const prefixBytes = 5

/**
 * The messages of a gRPC stream in its bytes, in their order: each stands behind one byte, whether it is compressed,
 * and its length. Thrown: an `Error`, when the bytes end within a message, and for a compressed one, which nobody may
 * send to whom has not offered to read it.
 */
export function* messagesIn(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; ) {
    const from = start + prefixBytes
    const end = from > bytes.length ? Infinity : from + bytes.readUInt32BE(start + 1)
    if (end > bytes.length) throw new Error('the stream ended within a message')
    if (bytes[start] !== 0) throw new Error('a message is compressed, which was not offered')
    yield bytes.subarray(from, end)
    start = end
  }
}

/** One message as it stands in a stream. */
export function lengthPrefixed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(prefixBytes)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}
