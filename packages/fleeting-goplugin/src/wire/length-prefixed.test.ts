import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lengthPrefixed, messagesIn } from './length-prefixed.ts'

const messages = fc.array(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  { minLength: 1, maxLength: 20 },
)

test('a stream is read as the messages that it was made of', () => {
  fc.assert(
    fc.property(messages, (sent) => {
      expect([...messagesIn(Buffer.concat(sent.map(lengthPrefixed)))]).toEqual(sent)
    }),
  )
  expect([...messagesIn(Buffer.alloc(0))]).toEqual([])
})

test('a stream that is cut anywhere but between messages is none', () => {
  fc.assert(
    fc.property(messages, fc.nat(), (sent, place) => {
      const stream = Buffer.concat(sent.map(lengthPrefixed))
      const length = place % stream.length
      const ends = sent.map((_, count) => Buffer.concat(sent.slice(0, count).map(lengthPrefixed)).length)
      const whole = ends.indexOf(length)
      const read = (): readonly Buffer[] => [...messagesIn(stream.subarray(0, length))]
      if (whole === -1) expect(read).toThrow('the stream ended within a message')
      else expect(read()).toEqual(sent.slice(0, whole))
    }),
  )
})

test('bytes as Go sends them; a compressed message is refused', () => {
  expect(lengthPrefixed(Buffer.from('0a0161', 'hex'))).toEqual(Buffer.from('00000000030a0161', 'hex'))
  expect(() => [...messagesIn(Buffer.from('01000000030a0161', 'hex'))]).toThrow('compressed')
})
