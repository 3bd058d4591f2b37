import protobuf from 'protobufjs/light.js'
import type { WireMessages } from './messages.ts'
import { schema } from './schema.ts'

/** One message, both ways. */
export interface Codec<Message> {
  readonly encode: (message: Message) => Buffer
  /** Thrown: an `Error`, for bytes that are no such message. */
  readonly decode: (bytes: Uint8Array) => Message
}

const root = protobuf.Root.fromJSON(schema)

/** 64 bits as a number: durations and times of this protocol fit. */
const decoded: protobuf.IConversionOptions = { longs: Number, defaults: true, arrays: true }

export function codec<Name extends keyof WireMessages>(name: Name): Codec<WireMessages[Name]> {
  const type = root.lookupType(`proto.${name}`)
  return {
    encode: (message) => {
      const bytes = type.encode(type.fromObject(message)).finish()
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    },
    decode: (bytes) => type.toObject(type.decode(bytes), decoded) as WireMessages[Name],
  }
}
