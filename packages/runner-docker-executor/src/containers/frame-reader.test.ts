import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameReader } from './frame-reader.ts'

function frame(stream: number, bytes: Uint8Array): Buffer {
  const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0])
  header.writeUInt32BE(bytes.length, 4)
  return Buffer.concat([header, bytes])
}

test('what was printed is the same wherever chunks end', () => {
  const frames = fc.array(fc.record({ stream: fc.constantFrom(1, 2), bytes: fc.uint8Array({ maxLength: 40 }) }))
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (printed, sizes) => {
      const reader = new FrameReader()
      const whole = Buffer.concat(printed.map(({ stream, bytes }) => frame(stream, bytes)))
      const read: Record<string, Buffer[]> = { stdout: [], stderr: [] }
      for (let [at, index] = [0, 0]; at < whole.length; index++) {
        const size = sizes[index % sizes.length]!
        for (const { stream, bytes } of reader.push(whole.subarray(at, at + size))) read[stream]!.push(bytes)
        at += size
      }
      for (const [name, stream] of [
        ['stdout', 1],
        ['stderr', 2],
      ] as const) {
        const expected = printed.filter((each) => each.stream === stream).map((each) => each.bytes)
        expect(Buffer.concat(read[name]!)).toEqual(Buffer.concat(expected))
      }
    }),
  )
})

test('what is no frame is refused', () => {
  expect(() => new FrameReader().push(Buffer.from('plain output'))).toThrow('something else')
})
